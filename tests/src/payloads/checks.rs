//! What must hold for everything that leaves the functions: log lines, messages, items.

use serde_json::Value;

use super::services::ServiceRequest;
use super::{MARK, NUMBER_MARK, is_known_sub};

/// The operations that may carry the values of a sign-up: the guard searches a pool for them.
const TO_POOLS: [&str; 2] = ["DescribeUserPool", "ListUsers"];

/// The reason why a text must not leave, if there is one.
pub fn leak(text: &str) -> Option<&'static str> {
    let folded = text.to_lowercase();
    if folded.contains(MARK) || folded.contains(NUMBER_MARK) {
        return Some("a person's value");
    }
    None
}

/// What is wrong with a log line.
pub fn unexpected_log_field(line: &str) -> Option<&'static str> {
    let Ok(Value::Object(fields)) = serde_json::from_str(line) else {
        return Some("no JSON object");
    };
    if line.contains("panicked") {
        return Some("a panic");
    }
    let sub = fields.get("change.sub").and_then(Value::as_str);
    if sub.is_some_and(|sub| !is_known_sub(sub)) {
        return Some("an unknown sub");
    }
    leak(line)
}

/// What is wrong with a request to the table or to the queue.
pub fn unexpected_request_field((operation, body): &ServiceRequest) -> Option<&'static str> {
    if TO_POOLS.contains(&operation.as_str()) {
        return None;
    }
    if operation == "SendMessage" {
        let message = body["MessageBody"].as_str().unwrap_or_default();
        let Ok(message) = serde_json::from_str::<Value>(message) else {
            return Some("a message that is no JSON");
        };
        if !message["sub"].as_str().is_some_and(is_known_sub) {
            return Some("a message about an unknown sub");
        }
    }
    leak(&body.to_string())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const SUB: &str = "0b8a6c1e-2f4d-4a7b-9c3e-5d6f7a8b9c0d";

    #[test]
    fn a_line_that_says_too_much_is_found() {
        let line = |name: &str, value: &str| json!({"message": "x", name: value}).to_string();
        assert_eq!(unexpected_log_field(&line("change.sub", SUB)), None);
        assert_eq!(unexpected_log_field(&line("change.sub", &SUB[..9])), None);
        assert!(unexpected_log_field(&line("change.sub", "11111111-2f4d")).is_some());
        assert!(unexpected_log_field(&line("reason", "QZV-name-1qzv")).is_some());
        assert!(unexpected_log_field(&line("reason", "+493090182031")).is_some());
        assert!(unexpected_log_field(&line("message", "panicked; hint")).is_some());
        assert!(unexpected_log_field("panicked").is_some());
    }

    #[test]
    fn a_request_that_says_too_much_is_found() {
        let message = |sub: &str| {
            let body = json!({"v": 1, "sub": sub}).to_string();
            ("SendMessage".to_owned(), json!({"MessageBody": body}))
        };
        assert_eq!(unexpected_request_field(&message(SUB)), None);
        assert!(unexpected_request_field(&message("a-username")).is_some());
        assert!(unexpected_request_field(&("SendMessage".to_owned(), json!({}))).is_some());
        let item = |text: &str| ("UpdateItem".to_owned(), json!({"Key": {"pk": {"S": text}}}));
        assert_eq!(unexpected_request_field(&item(SUB)), None);
        assert!(unexpected_request_field(&item("qzv-name-1qzv")).is_some());
        let filter = json!({"Filter": "email = \"qzv-mail-1qzv@example.com\""});
        assert_eq!(unexpected_request_field(&("ListUsers".to_owned(), filter)), None);
    }
}
