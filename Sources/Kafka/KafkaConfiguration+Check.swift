import CRdKafka

extension KafkaConfiguration {
    /// Whether the library knows the properties and takes their values. It asks no broker and reads no file.
    ///
    /// - Throws: `KafkaError` of kind `configuration`, without the values of secrets.
    public func check() throws(KafkaError) {
        rd_kafka_conf_destroy(try KafkaClient.conf(self, .reader))
    }
}
