//! Checks under which role a worker runs that an operator starts by hand.
//!
//! The worker closes passwords with a random one. Only the caller's role shows the trail that this
//! write is not a person's choice. Under a role that the trail does not know, each closed password
//! would count as newly chosen, and poolbridge would then close the valid password of the other
//! pool. So a worker starts only under one of the bridge's own roles: those of the functions
//! (`POOLBRIDGE_OWN_ROLES`) and those in `operator_roles`.

use std::net::IpAddr;
use std::sync::Arc;

use aws_config::SdkConfig;
use aws_sdk_sts as sts;
use poolbridge_core::error::{ErrorKind, PortError};
use thiserror::Error;

use crate::clock::SystemClock;
use crate::error::port_error;
use poolbridge_config::Configuration;
use poolbridge_config::{OwnCallers, role_of};

const OPERATION: &str = "GetCallerIdentity";

/// Why a worker may not run under its identity. It names roles and no session, because a session's
/// name may be a person's.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum NotOurs {
    /// The role is not one of the bridge's own.
    #[error("it runs under the role `{0}`, which is not one of the bridge's own roles")]
    OtherRole(String),
    /// The identity is a user, the account's root or a federated user.
    #[error("it runs under an identity that is not a role")]
    NoRole,
    /// The role is not known, because the call failed.
    #[error("the role under which it runs could not be read: {0}")]
    Unknown(PortError),
}

/// Checks that this process runs under one of the bridge's own roles. `own_roles`: the functions'
/// roles.
///
/// # Errors
///
/// If it does not, or if `GetCallerIdentity` does not answer. That call needs no permission.
pub async fn check(
    sdk: &SdkConfig,
    clock: &Arc<SystemClock>,
    configuration: &Configuration,
    own_roles: &[String],
) -> Result<(), NotOurs> {
    let config = sts::config::Builder::from(sdk).interceptor(clock.reader()).build();
    let answer = sts::Client::from_conf(config).get_caller_identity().send().await;
    let answer = answer.map_err(|error| NotOurs::Unknown(port_error(OPERATION, &error)))?;
    let unreadable = || NotOurs::Unknown(PortError::new(ErrorKind::Unreadable, OPERATION));
    judge(answer.arn().ok_or_else(unreadable)?, configuration, own_roles)
}

/// Checks the caller with that ARN.
fn judge(arn: &str, configuration: &Configuration, own_roles: &[String]) -> Result<(), NotOurs> {
    let roles = own_roles.iter().chain(&configuration.operator_roles).cloned();
    if OwnCallers::new(&roles.collect::<Vec<_>>(), std::iter::empty()).includes(arn) {
        return Ok(());
    }
    Err(role_of(arn).map_or(NotOurs::NoRole, |role| NotOurs::OtherRole(role.to_owned())))
}

/// Whether both pools are on this machine. Then no AWS trail sees the writes to them.
pub fn is_on_this_machine(sdk: &SdkConfig, configuration: &Configuration) -> bool {
    let pools = [&configuration.pools.old, &configuration.pools.new];
    pools.iter().all(|pool| {
        let endpoint = pool.endpoint_url.as_deref().or_else(|| sdk.endpoint_url());
        endpoint.is_some_and(is_loopback)
    })
}

/// Whether a URL leads to this machine.
fn is_loopback(url: &str) -> bool {
    let Some((_, rest)) = url.split_once("://") else { return false };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    // The part before an `@` is not the host.
    let host = authority.rsplit('@').next().unwrap_or_default();
    let host = match host.strip_prefix('[') {
        Some(address) => address.split(']').next().unwrap_or_default(),
        None => host.split(':').next().unwrap_or_default(),
    };
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    const SESSION: &str = "arn:aws:sts::111122223333:assumed-role/on-call/ada";

    fn configuration(roles: &str) -> Configuration {
        let text = format!(
            "name = \"acme\"\n{roles}\n[old]\nuser_pool_id = \"eu-west-1_A\"\n\
             [new]\nuser_pool_id = \"eu-west-1_B\"\n[identity]\nmatch = \"email\"\n"
        );
        Configuration::parse("bridge.toml", &text).expect("the configuration is valid")
    }

    #[test]
    fn a_worker_runs_only_under_the_bridges_own_roles() {
        let plain = configuration("");
        let own = |role: &str| vec![format!("arn:aws:iam::111122223333:role/{role}")];
        assert_eq!(judge(SESSION, &plain, &own("on-call")), Ok(()));
        assert_eq!(judge(SESSION, &plain, &own("team/on-call")), Ok(()), "a session shows no path");
        let other = NotOurs::OtherRole("on-call".to_owned());
        for roles in [own("apply"), own("on-call-2"), Vec::new()] {
            assert_eq!(judge(SESSION, &plain, &roles), Err(other.clone()));
        }
        let elsewhere = vec!["arn:aws:iam::444455556666:role/on-call".to_owned()];
        assert_eq!(judge(SESSION, &plain, &elsewhere), Err(other.clone()), "another account's");
        assert!(!other.to_string().contains("ada"), "a session's name may be a person's");
    }

    #[test]
    fn operator_roles_adds_roles() {
        let more = configuration("operator_roles = [\"arn:aws:iam::111122223333:role/on-call\"]");
        assert_eq!(judge(SESSION, &more, &[]), Ok(()));
        assert_ne!(more.hash, configuration("").hash, "the deployed trail must know the role too");
    }

    #[test]
    fn an_identity_without_a_role_is_refused() {
        for arn in [
            "arn:aws:iam::111122223333:root",
            "arn:aws:iam::111122223333:user/ada",
            "arn:aws:sts::111122223333:federated-user/ada",
            "arn:aws:iam::111122223333:role/on-call",
            "",
        ] {
            let own = vec!["arn:aws:iam::111122223333:role/on-call".to_owned()];
            assert_eq!(judge(arn, &configuration(""), &own), Err(NotOurs::NoRole), "{arn}");
        }
    }

    #[test]
    fn only_urls_of_this_machine_are_local() {
        for url in
            ["http://127.0.0.1:4566", "http://localhost", "http://[::1]:80/x", "http://127.9.9.9"]
        {
            assert!(is_loopback(url), "{url}");
        }
        for url in [
            "https://cognito-idp.eu-west-1.amazonaws.com",
            "http://localhost.example.com",
            "http://127.0.0.1@example.com",
            "http://10.0.0.1",
            "127.0.0.1",
            "",
        ] {
            assert!(!is_loopback(url), "{url}");
        }
    }
}
