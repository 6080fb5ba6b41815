//! A decision that apply made or would make, as `explain` shows it.

use poolbridge_core::outcome::Reason;
use poolbridge_core::record::{Decision, DecisionKind};
use poolbridge_core::side::Side;
use serde_json::{Value, json};

use super::moment;

/// JSON, with the code of the kind.
pub(super) fn value(decision: &Decision) -> Value {
    json!({
        "at": moment(decision.at),
        "kind": decision.kind.name(),
        "fields": decision.fields,
        "side": decision.side.map(Side::name),
        "reason": decision.reason.map(Reason::name),
    })
}

/// One line of `explain`.
pub(super) fn line(label: &str, decision: &Decision) -> String {
    let reason = decision.reason.map_or_else(String::new, |reason| format!(": {reason}"));
    format!("{label:<11}{} {}{reason}", moment(decision.at), text(decision))
}

/// A decision in words, without its reason. The pool of a conflict is the one whose value lost.
fn text(decision: &Decision) -> String {
    let pool = decision.side.map_or_else(String::new, |side| format!("{side} pool"));
    let fields = decision.fields.join(", ");
    let lost = if decision.fields.len() == 1 { "value lost" } else { "values lost" };
    match decision.kind {
        DecisionKind::Linked => format!("linked to the account in the {pool}"),
        DecisionKind::Created => format!("created the account in the {pool}"),
        DecisionKind::Carried => format!("wrote {fields} in the {pool}"),
        DecisionKind::Conflict => format!("conflict on {fields}: the {pool}'s {lost}"),
        DecisionKind::FirstLinkConflict => {
            format!("conflict at the first link on {fields}: the {pool}'s {lost}")
        }
        DecisionKind::CameBack => {
            format!("conflict on {fields}, back to the former value: the {pool}'s {lost}")
        }
        DecisionKind::EditedMeanwhile => {
            format!("conflict on {fields}, edited during a write: the {pool}'s {lost}")
        }
        DecisionKind::Held => held(&decision.fields, &pool),
        DecisionKind::Rejected => format!("the {pool} refused {fields}"),
        DecisionKind::Closed => format!("closed the password in the {pool}"),
        DecisionKind::PasswordReset => {
            format!("an administrator reset the password in the {pool}")
        }
        DecisionKind::PasswordIgnored => {
            format!("ignored that a password was set in the {pool}")
        }
        DecisionKind::Deleted => format!("the account in the {pool} is deleted"),
        DecisionKind::Disabled => format!("disabled the account in the {pool}"),
        DecisionKind::Removed => format!("deleted the account in the {pool}"),
        DecisionKind::LinkedByOperator => "linked by an operator".to_owned(),
        DecisionKind::UnlinkedByOperator => "separated by an operator".to_owned(),
    }
}

/// A person is held, and a field is blocked. A password stays usable. A call that failed again and
/// again has an operation's name instead of fields, which begins with a capital letter. Its pool is
/// the one of the change, and the call may have failed in the other.
fn held(fields: &[String], pool: &str) -> String {
    match fields {
        [] => format!("held because of the account in the {pool}"),
        [field] if field == "password" => format!("left the password in the {pool} usable"),
        [call] if call.starts_with(|first: char| first.is_ascii_uppercase()) => {
            format!("held after a change of the {pool}, because {call} fails")
        }
        fields => format!("blocked {} in the {pool}", fields.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use poolbridge_core::time::Time;

    use super::*;

    fn shown(kind: DecisionKind, fields: &[&str], reason: Option<Reason>) -> String {
        let fields = fields.iter().map(|field| (*field).to_owned()).collect();
        let at = Time(1_700_000_000_000);
        line("decided", &Decision { at, kind, fields, side: Some(Side::New), reason })
    }

    #[test]
    fn held_people_blocked_fields_and_failed_calls_have_their_own_words() {
        let held = |fields: &[&str], reason| shown(DecisionKind::Held, fields, Some(reason));
        let person = held(&[], Reason::Breaker);
        assert!(person.ends_with("held because of the account in the new pool: breaker"));
        let password = held(&["password"], Reason::NoRecovery);
        assert!(password.ends_with("left the password in the new pool usable: no-recovery"));
        let field = held(&["email"], Reason::AddressTaken);
        assert!(field.ends_with("blocked email in the new pool: address-taken"), "{field}");
        let call = held(&["AdminGetUser"], Reason::Contended);
        let why = "held after a change of the new pool, because AdminGetUser fails: contended";
        assert!(call.ends_with(why), "{call}");
    }

    #[test]
    fn conflict_names_the_pool_whose_value_lost() {
        let one = shown(DecisionKind::Conflict, &["name"], None);
        assert_eq!(
            one,
            "decided    2023-11-14T22:13:20Z conflict on name: the new pool's value lost"
        );
        for kind in DecisionKind::ALL {
            let line = shown(kind, &["name"], None);
            assert!(!line.contains("  in") && line.len() > 40, "{line}");
        }
    }
}
