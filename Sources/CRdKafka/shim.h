#pragma once
#include <librdkafka/rdkafka.h>
// The library's own broker in the process, for tests.
#include <librdkafka/rdkafka_mock.h>
