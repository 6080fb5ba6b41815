//! A pool's settings, for the commands `attach` and `detach`.

use poolbridge_core::side::Side;

use super::BridgeResources;
use crate::client::pool_client;
use crate::cognito::settings::Administration;

impl BridgeResources {
    /// The administration of a side's pool, with the same access as its accounts. It makes no call.
    pub async fn administration(&self, side: Side) -> Administration {
        let settings = self.configuration.pools.get(side);
        let client = pool_client(&self.sdk, settings, &self.clock).await;
        Administration::new(client, settings.user_pool_id.clone())
    }
}
