//! Decisions that apply made about a person. `explain` shows them, so that an operator can see why
//! a value won or was left.

use strum::{IntoStaticStr, VariantArray};

use crate::outcome::Reason;
use crate::side::Side;
use crate::time::Time;
use crate::variants::named;

/// One decision, kept for `explain`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Decision {
    /// When it was made.
    pub at: Time,
    /// The kind of decision.
    pub kind: DecisionKind,
    /// The names of the fields.
    pub fields: Vec<String>,
    /// The pool that was, or would have been, written.
    pub side: Option<Side>,
    /// The reason, if there is one.
    pub reason: Option<Reason>,
}

/// What kind of decision it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, IntoStaticStr, VariantArray)]
#[strum(serialize_all = "kebab-case")]
pub enum DecisionKind {
    /// The two accounts were found to belong to one person.
    Linked,
    /// The account was created.
    Created,
    /// Fields were carried over.
    Carried,
    /// Both pools had changed; `side` was overruled.
    Conflict,
    /// Two accounts without a baseline differed; `side` was overruled.
    FirstLinkConflict,
    /// A field had its former value again while a write of ours was open, on an account that was
    /// modified since. Either that write was undone or it never landed
    /// (`AmbiguousRevertIsConflict`).
    CameBack,
    /// A field was edited in the written pool while a write of ours was open there. Its order to
    /// our value is not known. The edit was carried; `side` was overruled.
    EditedMeanwhile,
    /// A person must act first.
    Held,
    /// The target cannot hold the value.
    Rejected,
    /// An outdated password was closed.
    Closed,
    /// An administrator reset the password in the pool `side`. The other pool's password may have
    /// leaked too.
    PasswordReset,
    /// A password event in the pool `side` makes no password outdated, for the given reason.
    PasswordIgnored,
    /// The account in the pool `side` was deleted, and this is proved.
    Deleted,
    /// apply disabled the account in the pool `side`, because the other one was deleted.
    Disabled,
    /// apply deleted the account in the pool `side`, because the other one was deleted.
    Removed,
    /// An operator stated that the two accounts belong to one person.
    LinkedByOperator,
    /// An operator stated that the two accounts do not belong to one person.
    UnlinkedByOperator,
}

named!(
    DecisionKind,
    ALL: "Every kind.",
    name: "Its name in the table and on the command line."
);
