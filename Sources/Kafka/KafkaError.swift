import CRdKafka

/// An error of the client library, of a broker, or of this module; the message says what to do where that is known.
public struct KafkaError: Error, Sendable, Equatable, CustomStringConvertible {
    public enum Kind: Sendable, Equatable {
        /// A property that does not exist, is not for the user to set, or has a bad value.
        case configuration
        /// No broker answers.
        case unreachable
        /// The broker does not accept who we are, or we do not accept it.
        case authentication
        /// The broker knows us and does not allow it.
        case notAuthorized
        case unknownTopic
        case alreadyExists
        /// Over a limit in bytes: no use in trying again.
        case tooLarge
        /// The records asked for are not where they were asked for.
        case outOfRange
        /// Bytes that do not match their checksum.
        case damaged
        case timedOut
        /// The broker or the library does not know the request.
        case unsupported
        /// The client was closed.
        case closed
        /// The client is of no more use.
        case fatal
        case cancelled
        /// Anything else; trying again may help.
        case other
    }

    public var kind: Kind
    /// The library's name of the error, as `_TIMED_OUT`; empty for errors of this module.
    public var name: String
    public var message: String

    public init(_ kind: Kind, _ message: String, name: String = "") {
        self.kind = kind
        self.name = name
        self.message = message
    }

    init(_ code: rd_kafka_resp_err_t, _ text: String? = nil) {
        let name = rd_kafka_err2name(code).map { String(cString: $0) } ?? "\(code.rawValue)"
        let standard = rd_kafka_err2str(code).map { String(cString: $0) } ?? name
        self.init(Self.kind(of: code), text ?? standard, name: name)
    }

    public var description: String { name.isEmpty ? message : "\(message) (\(name))" }

    private static func kind(of code: rd_kafka_resp_err_t) -> Kind {
        switch code {
        case RD_KAFKA_RESP_ERR__TRANSPORT, RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN, RD_KAFKA_RESP_ERR__RESOLVE,
            RD_KAFKA_RESP_ERR_BROKER_NOT_AVAILABLE, RD_KAFKA_RESP_ERR_NETWORK_EXCEPTION:
            return .unreachable
        case RD_KAFKA_RESP_ERR__AUTHENTICATION, RD_KAFKA_RESP_ERR__SSL,
            RD_KAFKA_RESP_ERR_SASL_AUTHENTICATION_FAILED, RD_KAFKA_RESP_ERR_UNSUPPORTED_SASL_MECHANISM:
            return .authentication
        case RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED, RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED,
            RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED:
            return .notAuthorized
        case RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART, RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC,
            RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION:
            return .unknownTopic
        case RD_KAFKA_RESP_ERR_TOPIC_ALREADY_EXISTS: return .alreadyExists
        case RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE, RD_KAFKA_RESP_ERR_RECORD_LIST_TOO_LARGE: return .tooLarge
        case RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET, RD_KAFKA_RESP_ERR_OFFSET_OUT_OF_RANGE: return .outOfRange
        case RD_KAFKA_RESP_ERR__BAD_MSG, RD_KAFKA_RESP_ERR_INVALID_MSG: return .damaged
        case RD_KAFKA_RESP_ERR__TIMED_OUT, RD_KAFKA_RESP_ERR__MSG_TIMED_OUT, RD_KAFKA_RESP_ERR__TIMED_OUT_QUEUE,
            RD_KAFKA_RESP_ERR_REQUEST_TIMED_OUT:
            return .timedOut
        case RD_KAFKA_RESP_ERR__UNSUPPORTED_FEATURE, RD_KAFKA_RESP_ERR_UNSUPPORTED_VERSION: return .unsupported
        case RD_KAFKA_RESP_ERR__FATAL: return .fatal
        case RD_KAFKA_RESP_ERR__INVALID_ARG, RD_KAFKA_RESP_ERR_INVALID_CONFIG: return .configuration
        default: return .other
        }
    }
}
