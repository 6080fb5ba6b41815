//! The operations: the state before each, how the test does it, and how it checks that both pools
//! agree.

use anyhow::Context as _;
use poolbridge_core::side::Side;
use poolbridge_tests::deployment::cloudtrail::Author;
use poolbridge_tests::deployment::user_pool::{AdminView, UserPool};
use poolbridge_tests::deployment::{Deployment, GROUP};
use poolbridge_tests::stack::CODE;
use serde_json::json;

const PASSWORD: &str = "Correct-Horse-77";
const OTHER_PASSWORD: &str = "Battery-Staple-88";
const NEWER_PASSWORD: &str = "Newer-Password-99";

/// The route that detects an operation as it happens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum By {
    /// The pool's trigger.
    Trigger,
    /// `CloudTrail`'s event.
    Trail(Author),
}

/// An operation on an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum AccountOperation {
    SignUp,
    SignUpConfirmedByTheHelpDesk,
    ForgottenPassword,
    CreatedByTheHelpDesk,
    OwnEdit,
    Edit,
    OwnRemoval,
    Removal,
    OwnAddress,
    Disabled,
    Enabled,
    Joined,
    Left,
    OwnPassword,
    Password,
    OwnDeletion,
    Deletion,
}

/// A person whose account the operation changes.
#[derive(Clone, Debug)]
pub(super) struct CoveragePerson {
    pub(super) operation: AccountOperation,
    /// The pool in which it happens.
    pub(super) side: Side,
    pub(super) name: String,
    /// The account in each pool, if there is one before the operation.
    pub(super) old: Option<AdminView>,
    pub(super) new: Option<AdminView>,
}

impl CoveragePerson {
    fn account(&self, side: Side) -> anyhow::Result<&AdminView> {
        let account = match side {
            Side::Old => &self.old,
            Side::New => &self.new,
        };
        account.as_ref().with_context(|| format!("no account in the {side} pool"))
    }

    fn email(&self) -> String {
        format!("{}@example.com", self.name)
    }
}

impl AccountOperation {
    pub(super) const ALL: [Self; 17] = [
        Self::SignUp,
        Self::SignUpConfirmedByTheHelpDesk,
        Self::ForgottenPassword,
        Self::CreatedByTheHelpDesk,
        Self::OwnEdit,
        Self::Edit,
        Self::OwnRemoval,
        Self::Removal,
        Self::OwnAddress,
        Self::Disabled,
        Self::Enabled,
        Self::Joined,
        Self::Left,
        Self::OwnPassword,
        Self::Password,
        Self::OwnDeletion,
        Self::Deletion,
    ];

    /// The name of the operation in `CloudTrail`.
    pub(super) const fn operation(self) -> &'static str {
        match self {
            Self::SignUp => "ConfirmSignUp",
            Self::SignUpConfirmedByTheHelpDesk => "AdminConfirmSignUp",
            Self::ForgottenPassword => "ConfirmForgotPassword",
            Self::CreatedByTheHelpDesk => "AdminCreateUser",
            Self::OwnEdit => "UpdateUserAttributes",
            Self::Edit => "AdminUpdateUserAttributes",
            Self::OwnRemoval => "DeleteUserAttributes",
            Self::Removal => "AdminDeleteUserAttributes",
            Self::OwnAddress => "VerifyUserAttribute",
            Self::Disabled => "AdminDisableUser",
            Self::Enabled => "AdminEnableUser",
            Self::Joined => "AdminAddUserToGroup",
            Self::Left => "AdminRemoveUserFromGroup",
            Self::OwnPassword => "ChangePassword",
            Self::Password => "AdminSetUserPassword",
            Self::OwnDeletion => "DeleteUser",
            Self::Deletion => "AdminDeleteUser",
        }
    }

    pub(super) fn name(self) -> &'static str {
        self.operation()
    }

    pub(super) fn by(self) -> By {
        match self {
            Self::SignUp | Self::SignUpConfirmedByTheHelpDesk | Self::ForgottenPassword => {
                By::Trigger
            }
            Self::OwnEdit
            | Self::OwnRemoval
            | Self::OwnAddress
            | Self::OwnPassword
            | Self::OwnDeletion => By::Trail(Author::Person),
            Self::CreatedByTheHelpDesk
            | Self::Edit
            | Self::Removal
            | Self::Disabled
            | Self::Enabled
            | Self::Joined
            | Self::Left
            | Self::Password
            | Self::Deletion => By::Trail(Author::help_desk()),
        }
    }

    /// Whether a listing shows the change. No listing shows a password.
    pub(super) const fn visible_in_listing(self) -> bool {
        // A trigger reports these by itself, with or without CloudTrail.
        !matches!(
            self,
            Self::SignUp
                | Self::SignUpConfirmedByTheHelpDesk
                | Self::ForgottenPassword
                | Self::OwnPassword
                | Self::Password
        )
    }

    /// Whether it creates an account.
    const fn makes_an_account(self) -> bool {
        matches!(
            self,
            Self::SignUp | Self::SignUpConfirmedByTheHelpDesk | Self::CreatedByTheHelpDesk
        )
    }

    const fn sets_a_password(self) -> bool {
        matches!(self, Self::ForgottenPassword | Self::OwnPassword | Self::Password)
    }

    /// Sets up the state before the operation, in both pools.
    pub(super) async fn prepare(
        self,
        bridge: &Deployment,
        side: Side,
        name: &str,
    ) -> anyhow::Result<CoveragePerson> {
        let mut person =
            CoveragePerson { operation: self, side, name: name.to_owned(), old: None, new: None };
        if self.makes_an_account() {
            return Ok(person);
        }
        let email = person.email();
        let attributes = [
            ("email", email.as_str()),
            ("given_name", "Given-Before"),
            ("family_name", "Family-Before"),
            ("custom:dept", "Department-One"),
        ];
        bridge.old.sign_up(name, PASSWORD, &attributes).await?;
        bridge.old.confirm(name).await?;
        let arrived = |it: &AdminView| (it.status != "CONFIRMED").then(|| it.status.clone());
        let new = bridge.shows(Side::New, &email, arrived).await?;
        let old =
            bridge.old.account(name).await?.context("the account is missing after the sign-up")?;
        if self == Self::Left {
            bridge.old.add_to_group(&old.username, GROUP).await?;
            send_trail_event(bridge, &bridge.old, "AdminAddUserToGroup", &old.sub).await?;
            member(bridge, &new).await?;
        }
        if self == Self::Enabled {
            bridge.pool(side).disable(&account(side, &old, &new).username).await?;
            let sub = &account(side, &old, &new).sub;
            send_trail_event(bridge, bridge.pool(side), "AdminDisableUser", sub).await?;
            let other = account(side.other(), &old, &new);
            let locked = |it: &AdminView| it.enabled.then(|| "is still enabled".to_owned());
            bridge.shows(side.other(), &other.username, locked).await?;
        }
        // The new pool's password is random until someone sets one. No event reports this one.
        bridge.new.set_password(&new.username, OTHER_PASSWORD).await?;
        (person.old, person.new) = (Some(old), Some(new));
        Ok(person)
    }

    /// Runs the operation. Returns the `sub` that `CloudTrail` would name.
    pub(super) async fn perform(
        self,
        bridge: &Deployment,
        person: &CoveragePerson,
    ) -> anyhow::Result<String> {
        let pool = bridge.pool(person.side);
        if self.makes_an_account() {
            return self.make(pool, person).await;
        }
        let account = person.account(person.side)?;
        let name = account.username.as_str();
        let password = if person.side == Side::Old { PASSWORD } else { OTHER_PASSWORD };
        let given = json!([{"Name": "given_name", "Value": "Given-After"}]);
        match self {
            Self::SignUp | Self::SignUpConfirmedByTheHelpDesk | Self::CreatedByTheHelpDesk => {}
            Self::ForgottenPassword => pool.reset_password(name, NEWER_PASSWORD).await?,
            Self::OwnEdit => {
                let token = pool.token(name, password).await?;
                let input = json!({"UserAttributes": given});
                pool.call_as_user("UpdateUserAttributes", &token, input).await?;
            }
            Self::Edit => pool.edit(name, &[("given_name", "Given-After")]).await?,
            Self::OwnRemoval => {
                let token = pool.token(name, password).await?;
                let input = json!({"UserAttributeNames": ["family_name"]});
                pool.call_as_user("DeleteUserAttributes", &token, input).await?;
            }
            Self::Removal => {
                let more = json!({"UserAttributeNames": ["family_name"]});
                pool.administer("AdminDeleteUserAttributes", name, more).await?;
            }
            Self::OwnAddress => {
                let token = pool.token(name, password).await?;
                let moved = format!("moved-{}", person.email());
                pool.note(&moved)?;
                let input = json!({"UserAttributes": [{"Name": "email", "Value": moved}]});
                pool.call_as_user("UpdateUserAttributes", &token, input).await?;
                let input = json!({"AttributeName": "email", "Code": CODE});
                pool.call_as_user("VerifyUserAttribute", &token, input).await?;
            }
            Self::Disabled => pool.disable(name).await?,
            Self::Enabled => pool.administer("AdminEnableUser", name, json!({})).await?,
            Self::Joined => pool.add_to_group(name, GROUP).await?,
            Self::Left => {
                let more = json!({"GroupName": GROUP});
                pool.administer("AdminRemoveUserFromGroup", name, more).await?;
            }
            Self::OwnPassword => {
                let token = pool.token(name, password).await?;
                pool.note(NEWER_PASSWORD)?;
                let input = json!({"PreviousPassword": password,
                    "ProposedPassword": NEWER_PASSWORD});
                pool.call_as_user("ChangePassword", &token, input).await?;
            }
            Self::Password => pool.set_password(name, NEWER_PASSWORD).await?,
            Self::OwnDeletion => {
                let token = pool.token(name, password).await?;
                pool.call_as_user("DeleteUser", &token, json!({})).await?;
            }
            Self::Deletion => pool.administer("AdminDeleteUser", name, json!({})).await?,
        }
        Ok(account.sub.clone())
    }

    async fn make(self, pool: &UserPool, person: &CoveragePerson) -> anyhow::Result<String> {
        let email = person.email();
        let name = if pool.side == Side::Old { person.name.as_str() } else { email.as_str() };
        let attributes = [("email", email.as_str()), ("given_name", "Given-After")];
        if self == Self::CreatedByTheHelpDesk {
            let verified = [attributes.as_slice(), &[("email_verified", "true")]].concat();
            return pool.create(name, PASSWORD, &verified).await;
        }
        let sub = pool.sign_up(name, PASSWORD, &attributes).await?;
        if self == Self::SignUp {
            pool.confirm(name).await?;
        } else {
            pool.administer("AdminConfirmSignUp", name, json!({})).await?;
        }
        Ok(sub)
    }

    /// What the pools do not agree on yet.
    pub(super) async fn disagrees(
        self,
        bridge: &Deployment,
        person: &CoveragePerson,
    ) -> anyhow::Result<Option<String>> {
        let (here, there) = (person.side, person.side.other());
        if self.makes_an_account() {
            let email = person.email();
            let name = if there == Side::Old { &person.name } else { &email };
            let found = bridge.pool(there).account(name).await?;
            let found = match found {
                None if there == Side::Old => bridge.old.account_of(&email).await?,
                found => found,
            };
            return Ok(match found {
                None => Some("no account there".to_owned()),
                Some(it) if it.status != "CONFIRMED" => Some(it.status),
                Some(it) => (it.attribute("given_name") != "Given-After")
                    .then(|| "the name is missing".to_owned()),
            });
        }
        let (here, there) = (person.account(here)?, person.account(there)?);
        let one = bridge.pool(person.side).account(&here.username).await?;
        let other = bridge.pool(person.side.other()).account(&there.username).await?;
        if matches!(self, Self::OwnDeletion | Self::Deletion) {
            return Ok(match other {
                _ if one.is_some() => Some("the account is still there".to_owned()),
                Some(it) if it.enabled => Some("the other account is still enabled".to_owned()),
                Some(_) | None => None,
            });
        }
        let (one, other) = (one.context("gone")?, other.context("gone in the other pool")?);
        if self.sets_a_password() {
            let stale = if person.side == Side::Old { OTHER_PASSWORD } else { PASSWORD };
            let pool = bridge.pool(person.side.other());
            let opens = pool.signs_in(&other.username, stale).await?;
            // A password that an administrator sets in the passive pool closes none in the active
            // one.
            if matches!(self, Self::Password) && person.side == Side::New {
                return Ok((!opens).then(|| "the active pool's password was closed".to_owned()));
            }
            return Ok(opens.then(|| "the older password still opens the account".to_owned()));
        }
        differs(bridge, person.side, &one, &other).await
    }
}

/// The first difference between two accounts.
async fn differs(
    bridge: &Deployment,
    side: Side,
    one: &AdminView,
    other: &AdminView,
) -> anyhow::Result<Option<String>> {
    for name in ["email", "email_verified", "given_name", "family_name"] {
        if one.attribute(name) != other.attribute(name) {
            return Ok(Some(format!("{name} differs")));
        }
    }
    if one.enabled != other.enabled {
        return Ok(Some("one of them is disabled".to_owned()));
    }
    let here = bridge.pool(side).groups(&one.username).await?;
    let there = bridge.pool(side.other()).groups(&other.username).await?;
    Ok((here != there).then(|| "the groups differ".to_owned()))
}

fn account<'a>(side: Side, old: &'a AdminView, new: &'a AdminView) -> &'a AdminView {
    match side {
        Side::Old => old,
        Side::New => new,
    }
}

/// `CloudTrail` reports an operation of the setup.
async fn send_trail_event(
    bridge: &Deployment,
    pool: &UserPool,
    operation: &str,
    sub: &str,
) -> anyhow::Result<()> {
    use poolbridge_tests::deployment::cloudtrail::event;
    let event = event(pool, operation, &Author::help_desk(), Some(sub));
    bridge.services.send_trail_event(&event).await
}

/// Waits until the membership has travelled.
async fn member(bridge: &Deployment, new: &AdminView) -> anyhow::Result<()> {
    use poolbridge_tests::deployment::polling::until;
    use std::ops::ControlFlow;
    until("a membership", super::LIMIT, async || {
        let groups = bridge.new.groups(&new.username).await?;
        Ok(if groups.contains(GROUP) {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(format!("{groups:?}"))
        })
    })
    .await
}
