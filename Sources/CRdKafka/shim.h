#pragma once
#include <librdkafka/rdkafka.h>
// The library's own broker in the process, for tests.
#include <librdkafka/rdkafka_mock.h>

/// The next request of this kind to an imitated broker is answered late; what it asks for is done at once. The library's
/// own call takes any number of arguments, which Swift cannot give.
static inline void tributary_mock_delay(
    rd_kafka_mock_cluster_t *cluster, int32_t broker, int16_t request, int milliseconds) {
  rd_kafka_mock_broker_push_request_error_rtts(
      cluster, broker, request, (size_t)1, RD_KAFKA_RESP_ERR_NO_ERROR, milliseconds);
}
