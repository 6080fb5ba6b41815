//! Converts `SdkError` to [`PortError`] in one table.
//!
//! Every adapter uses this table, so "may it have happened?" has one answer. In doubt the answer is
//! yes: an open intent costs a read, but a forgotten write costs an edit. Only the service's error
//! *code* is kept, because its message may quote a person's attribute values.

use std::error::Error;
use std::io;

use aws_credential_types::provider::error::CredentialsError;
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::{ConnectorError, SdkError};
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use hyper_util::client::legacy::Error as ConnectionError;
use poolbridge_core::error::{ErrorKind, PortError};

/// The port error for an SDK error. `operation` is the call's name as AWS writes it.
///
/// It covers one attempt. If the SDK made several, an earlier attempt may have been carried out
/// although the last one was refused. So writes without a protecting condition use one attempt per
/// call (see [`crate::client::SendGuard`]).
pub fn port_error<E: ProvideErrorMetadata>(
    operation: &'static str,
    error: &SdkError<E, HttpResponse>,
) -> PortError {
    let code = error.meta().code().and_then(word);
    let (kind, code) = match error {
        SdkError::ConstructionFailure(_) => (ErrorKind::NotSent, None),
        SdkError::DispatchFailure(failure) => {
            failure.as_connector_error().map_or((ErrorKind::NoAnswer, None), of_connector)
        }
        SdkError::ResponseError(answer) => (of_garbled(answer.raw().status().as_u16()), code),
        SdkError::ServiceError(answer) => {
            (of_answer(operation, code, answer.raw().status().as_u16()), code)
        }
        SdkError::TimeoutError(_) => (ErrorKind::NoAnswer, code),
        // A variant newer than this table: nothing is known, so the write may have happened.
        _ => (ErrorKind::NoAnswer, None),
    };
    PortError { kind, operation, code: code.map(str::to_owned) }
}

/// A service's error code, if it is one: a short ASCII word. Other text could be part of a message.
fn word(code: &str) -> Option<&str> {
    // Some protocols write `namespace#Code:address`.
    let code = code.rsplit('#').next().unwrap_or(code);
    let code = code.split(':').next().unwrap_or(code);
    let plain = |letter: u8| letter.is_ascii_alphanumeric() || matches!(letter, b'.' | b'_');
    let fits = (1..=64).contains(&code.len()) && code.bytes().all(plain);
    fits.then_some(code)
}

/// What is known of a request without an answer: the kind, and a code of poolbridge's own if
/// useful.
type Unanswered = (ErrorKind, Option<&'static str>);

/// Decides whether a request without an answer was sent.
fn of_connector(error: &ConnectorError) -> Unanswered {
    let mut link: Option<&(dyn Error + 'static)> = Some(error);
    while let Some(cause) = link {
        if let Some(unanswered) = of_cause(cause) {
            return unanswered;
        }
        link = cause.source();
    }
    (if error.is_user() { ErrorKind::NotSent } else { ErrorKind::NoAnswer }, None)
}

/// What one link in a chain of causes proves, if it proves anything.
fn of_cause(cause: &(dyn Error + 'static)) -> Option<Unanswered> {
    if let Some(error) = cause.downcast_ref::<CredentialsError>() {
        return Some(of_credentials(error));
    }
    // Without a name, a route or a handshake there was no connection, so nothing was sent.
    let refused = |error: &io::Error| error.kind() == io::ErrorKind::ConnectionRefused;
    let never = cause.downcast_ref::<ConnectionError>().is_some_and(ConnectionError::is_connect)
        || cause.downcast_ref::<io::Error>().is_some_and(refused);
    never.then_some((ErrorKind::NotSent, Some("NoConnection")))
}

/// Without credentials nothing was signed, so nothing was sent.
fn of_credentials(error: &CredentialsError) -> Unanswered {
    match error {
        // A person must grant or configure something. Waiting a few seconds does not help.
        CredentialsError::CredentialsNotLoaded(_) => {
            (ErrorKind::Denied, Some("CredentialsNotLoaded"))
        }
        CredentialsError::InvalidConfiguration(_) => {
            (ErrorKind::Denied, Some("CredentialsMisconfigured"))
        }
        // The provider cannot be reached or refused, as it does for a role that may not be assumed.
        CredentialsError::ProviderTimedOut(_)
        | CredentialsError::ProviderError(_)
        | CredentialsError::Unhandled(_)
        | _ => (ErrorKind::NotSent, Some("CredentialsProvider")),
    }
}

/// An answer that cannot be decoded proves at most that the service failed.
const fn of_garbled(status: u16) -> ErrorKind {
    if status >= 500 { ErrorKind::Broken } else { ErrorKind::NoAnswer }
}

/// The kind of a service error, by its code, or by the HTTP status if the code is unknown.
fn of_answer(operation: &str, code: Option<&str>, status: u16) -> ErrorKind {
    code.and_then(|code| of_code(operation, code)).unwrap_or(match status {
        401 | 403 | 407 => ErrorKind::Denied,
        // The service stopped waiting for a request that it may have read completely.
        408 => ErrorKind::NoAnswer,
        429 => ErrorKind::Throttled,
        400..=499 => ErrorKind::Invalid,
        500.. => ErrorKind::Broken,
        // A redirection or the like is no answer to the request.
        _ => ErrorKind::NoAnswer,
    })
}

/// The codes that AWS documents for the operations in use: on each operation's page under "Errors",
/// and under "Common Errors" of each service.
fn of_code(operation: &str, code: &str) -> Option<ErrorKind> {
    let kind = match code {
        "TooManyRequestsException"
        | "LimitExceededException"
        | "Throttling"
        | "ThrottlingException"
        | "ThrottledException"
        | "RequestThrottled"
        | "RequestThrottledException"
        | "RequestLimitExceeded"
        | "ProvisionedThroughputExceededException"
        | "ProvisionedThroughputExceeded"
        | "BandwidthLimitExceeded"
        | "PriorRequestNotComplete"
        | "SlowDown"
        | "OverLimit"
        | "EC2ThrottledException"
        | "KmsThrottled"
        | "ReplicatedWriteConflictException"
        // Another caller changes the same thing at this moment: this write did nothing.
        | "ConcurrentModificationException"
        // Another request was writing the item: this one did nothing and may be retried soon.
        | "TransactionConflictException" => ErrorKind::Throttled,

        // "This exception is thrown when the operation is not enabled" came with point-in-time
        // recovery, and with replicas before it: the pool exists and accepts no writes for now.
        "OperationNotEnabledException" => ErrorKind::WritesPaused,

        // The SDK's earlier attempt with this token still runs and may yet be carried out.
        "TransactionInProgressException" | "RequestTimeout" | "RequestTimeoutException" => {
            ErrorKind::NoAnswer
        }

        // The team's pre-sign-up trigger refused, before the account was created. In other
        // operations a trigger runs while messages are written, which is after the write.
        "UserLambdaValidationException" if operation == "AdminCreateUser" => ErrorKind::Invalid,

        "InternalErrorException"
        | "InternalError"
        | "InternalFailure"
        | "InternalServerError"
        | "InternalServiceError"
        | "ServiceUnavailable"
        | "ServiceUnavailableException"
        // One of the team's triggers failed, or a message could not be sent. The docs do not say
        // whether the write was done by then.
        | "UserLambdaValidationException"
        | "UnexpectedLambdaException"
        | "InvalidLambdaResponseException"
        | "CodeDeliveryFailureException"
        | "InvalidEmailRoleAccessPolicyException"
        | "InvalidSmsRoleAccessPolicyException"
        | "InvalidSmsRoleTrustRelationshipException" => ErrorKind::Broken,

        "UserNotFoundException" => ErrorKind::AccountGone,
        // AliasExistsException is not in AdminCreateUser's model, but the service returns it there.
        "UsernameExistsException" | "AliasExistsException" => ErrorKind::Exists,
        "ConditionalCheckFailedException" | "TransactionCanceledException" => ErrorKind::Lost,

        "ResourceNotFoundException"
        | "QueueDoesNotExist"
        | "AWS.SimpleQueueService.NonExistentQueue"
        | "QueueDeletedRecently"
        | "AWS.SimpleQueueService.QueueDeletedRecently"
        | "TableNotFoundException"
        | "ParameterNotFound"
        | "KmsDisabled"
        | "KmsInvalidState"
        | "KmsNotFound"
        // An account that is not confirmed, or must first reset its password, cannot have a factor
        // yet. That is temporary, so the value must not count as rejected.
        | "UserNotConfirmedException"
        | "PasswordResetRequiredException" => ErrorKind::Missing,

        _ => return of_refusal(code),
    };
    Some(kind)
}

/// The codes with which a service refuses poolbridge or these values, having done nothing.
fn of_refusal(code: &str) -> Option<ErrorKind> {
    let kind = match code {
        "NotAuthorizedException"
        | "NotAuthorized"
        | "AccessDenied"
        | "AccessDeniedException"
        | "UnauthorizedOperation"
        | "UnrecognizedClientException"
        | "InvalidClientTokenId"
        | "InvalidAccessKeyId"
        | "InvalidSignatureException"
        | "SignatureDoesNotMatch"
        | "IncompleteSignature"
        | "IncompleteSignatureException"
        | "MissingAuthenticationToken"
        | "MissingAuthenticationTokenException"
        | "ExpiredToken"
        | "ExpiredTokenException"
        | "RequestExpired"
        | "RequestTimeTooSkewed"
        | "OptInRequired"
        | "ForbiddenException"
        | "InvalidSecurity"
        | "KmsAccessDenied"
        | "KmsOptInRequired"
        | "DecryptionFailure" => ErrorKind::Denied,

        "InvalidParameterException"
        | "InvalidParameter"
        | "InvalidParameterValue"
        | "InvalidParameterCombination"
        | "InvalidAttributeName"
        | "InvalidAttributeValue"
        | "InvalidPasswordException"
        | "PasswordHistoryPolicyViolationException"
        | "InvalidRequestException"
        | "InvalidMessageContents"
        | "PreconditionNotMetException"
        | "UnsupportedUserStateException"
        | "ValidationException"
        | "ValidationError"
        | "SerializationException"
        | "IdempotentParameterMismatchException"
        | "ItemCollectionSizeLimitExceededException"
        | "ReceiptHandleIsInvalid"
        | "MessageNotInflight"
        // The service does not know the operation, or not for this pool. An emulator reports that
        // with status 500, which must not count as a write that may have happened.
        | "FeatureUnavailableInTierException"
        | "UnsupportedOperation"
        | "UnsupportedOperationException"
        | "UnknownOperationException"
        | "UnknownOperation"
        | "InvalidAction"
        | "NotImplemented"
        | "Unsupported" => ErrorKind::Invalid,

        _ => return None,
    };
    Some(kind)
}

/// Whether the service lacks the operation, as some emulators do.
pub fn lacks_operation(error: &PortError) -> bool {
    let lacking = |code: &str| {
        matches!(
            code,
            "Unsupported"
                | "UnsupportedOperation"
                | "UnsupportedOperationException"
                | "UnknownOperation"
                | "UnknownOperationException"
                | "InvalidAction"
                | "NotImplemented"
        )
    };
    error.code.as_deref().is_some_and(lacking)
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws_smithy_runtime_api::http::StatusCode;
    use aws_smithy_types::body::SdkBody;
    use aws_smithy_types::error::ErrorMetadata;
    use poolbridge_core::error::Retry;

    fn answer(operation: &'static str, code: &str, status: u16) -> PortError {
        let meta = ErrorMetadata::builder().code(code).message("ada@example.com is bad").build();
        let raw = HttpResponse::new(StatusCode::try_from(status).unwrap(), SdkBody::empty());
        port_error(operation, &SdkError::service_error(meta, raw))
    }

    fn kind(code: &str, status: u16) -> ErrorKind {
        answer("AdminUpdateUserAttributes", code, status).kind
    }

    #[test]
    fn every_documented_code_has_its_kind() {
        use ErrorKind::{
            AccountGone, Broken, Denied, Exists, Invalid, Lost, Missing, NoAnswer, Throttled,
            WritesPaused,
        };
        let table = [
            ("TooManyRequestsException", 400, Throttled),
            ("LimitExceededException", 400, Throttled),
            ("ThrottlingException", 400, Throttled),
            ("ProvisionedThroughputExceededException", 400, Throttled),
            ("SlowDown", 503, Throttled),
            ("TransactionConflictException", 400, Throttled),
            ("ConcurrentModificationException", 400, Throttled),
            ("OperationNotEnabledException", 400, WritesPaused),
            ("TransactionInProgressException", 400, NoAnswer),
            // The service stopped waiting for the request, which it may have read completely.
            ("RequestTimeout", 400, NoAnswer),
            ("RequestTimeoutException", 408, NoAnswer),
            ("NotAuthorizedException", 400, Denied),
            ("AccessDeniedException", 400, Denied),
            ("UnrecognizedClientException", 400, Denied),
            ("ExpiredTokenException", 400, Denied),
            ("InvalidParameterException", 400, Invalid),
            ("InvalidPasswordException", 400, Invalid),
            ("Unsupported", 500, Invalid),
            ("UserNotFoundException", 400, AccountGone),
            ("ResourceNotFoundException", 400, Missing),
            ("AWS.SimpleQueueService.NonExistentQueue", 400, Missing),
            ("com.amazonaws.sqs#QueueDoesNotExist", 400, Missing),
            ("UsernameExistsException", 400, Exists),
            ("AliasExistsException", 400, Exists),
            ("ConditionalCheckFailedException", 400, Lost),
            ("InternalErrorException", 500, Broken),
            ("InternalErrorException", 400, Broken),
            ("UnexpectedLambdaException", 400, Broken),
            ("NewKindOfRefusal", 400, Invalid),
            ("NewKindOfRefusal", 403, Denied),
            ("NewKindOfTrouble", 500, Broken),
            ("NewKindOfTrouble", 503, Broken),
            ("NewKindOfHaste", 429, Throttled),
        ];
        for (code, status, wanted) in table {
            assert_eq!(kind(code, status), wanted, "{code} with status {status}");
        }
    }

    #[test]
    fn a_trigger_that_refuses_a_creation_is_certain_and_for_an_update_it_is_not() {
        let create = answer("AdminCreateUser", "UserLambdaValidationException", 400);
        assert_eq!((create.kind, create.may_have_happened()), (ErrorKind::Invalid, false));
        let update = answer("AdminUpdateUserAttributes", "UserLambdaValidationException", 400);
        assert!(update.may_have_happened());
    }

    #[test]
    fn invariant_09_a_port_error_holds_codes_and_never_text() {
        let known = answer("AdminGetUser", "InvalidParameterException", 400);
        assert!(!format!("{known} {known:?}").contains("ada@example.com"));
        for text in ["ada@example.com", "user ada", "", "é", &"x".repeat(65)] {
            assert_eq!(answer("AdminGetUser", text, 400).code, None, "{text:?} counted as a code");
        }
    }

    #[test]
    fn a_request_that_was_not_sent_did_not_happen_and_any_other_may_have() {
        type Lost = SdkError<ErrorMetadata, HttpResponse>;
        let lost = |error| port_error("AdminDisableUser", &Lost::dispatch_failure(error));
        let refused = io::Error::from(io::ErrorKind::ConnectionRefused);
        assert_eq!(lost(ConnectorError::io(refused.into())).kind, ErrorKind::NotSent);
        let reset = io::Error::from(io::ErrorKind::ConnectionReset);
        assert_eq!(lost(ConnectorError::io(reset.into())).kind, ErrorKind::NoAnswer);
        assert_eq!(lost(ConnectorError::timeout("slow".into())).kind, ErrorKind::NoAnswer);
        let none = CredentialsError::not_loaded_no_source();
        assert_eq!(lost(ConnectorError::other(none.into(), None)).kind, ErrorKind::Denied);
        let slow = CredentialsError::provider_timed_out(std::time::Duration::from_secs(5));
        assert_eq!(lost(ConnectorError::other(slow.into(), None)).kind, ErrorKind::NotSent);
        let codes = [CredentialsError::not_loaded_no_source().into(), "x".into()]
            .map(|error| lost(ConnectorError::other(error, None)).code);
        assert_eq!(codes, [Some("CredentialsNotLoaded".to_owned()), None]);
        assert_eq!(port_error("X", &Lost::timeout_error("slow")).kind, ErrorKind::NoAnswer);
        assert_eq!(port_error("X", &Lost::construction_failure("bad")).kind, ErrorKind::NotSent);
    }

    #[test]
    fn a_write_with_an_undecodable_answer_may_have_happened() {
        for status in [200, 400, 502] {
            let raw = HttpResponse::new(StatusCode::try_from(status).unwrap(), SdkBody::empty());
            let error = SdkError::<ErrorMetadata, _>::response_error("not json", raw);
            assert!(port_error("AdminDisableUser", &error).may_have_happened(), "status {status}");
        }
    }

    #[test]
    fn an_error_that_a_person_must_fix_is_retried_slowly() {
        for code in ["AccessDeniedException", "ResourceNotFoundException"] {
            let found = answer("AdminGetUser", code, 400).retry();
            assert_eq!(found, Retry::Later(poolbridge_core::limits::RETRY_SLOWLY), "{code}");
        }
    }
}
