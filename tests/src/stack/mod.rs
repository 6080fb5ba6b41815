//! The local stack: AWS for the demo and for the tests that need real services. It consists of
//! programs from outside this project (`tests/local/install.sh` installs them).
//!
//! ```text
//!   people's calls --------> cognito-local, one a pool ---- triggers ----> ministack's Lambda
//!   the bridge's calls --+-> microburst --^                                    |
//!                        +-> microburst -> ministack: SQS, DynamoDB, ... <-----+ functions
//! ```
//!
//! Everything listens on loopback only, on ports that are chosen at the start, and works in one
//! temporary folder. No program outlives the process that holds the [`Stack`], however it ends:
//! each runs under `supervisor.sh`, which ends the program's whole group when that process has
//! ended.
//!
//! These programs are not AWS. In particular none of them checks signatures or permissions, and
//! cognito-local confirms a sign-up without marking the address as verified.

mod cognito_local;
pub mod http;
mod microburst;
mod ministack;
mod ports;
mod program;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::{Context as _, ensure};

pub use cognito_local::{CODE, PoolSeed};
pub use microburst::Faults;
pub use ministack::{KEY, REGION, VERIFIES_AT_SIGN_UP};
use ports::PortBlock;
use program::{Program, ProgramSpec};

/// The contents of the stack.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Lambda, SQS, `DynamoDB` and so on. Pools with triggers need it.
    pub ministack: bool,
    /// The user pools, each a process of its own.
    pub pools: Vec<PoolSeed>,
    /// The programs that get a fault-injecting proxy in front.
    pub faults: Vec<Place>,
    /// More environment of ministack, which passes its own to every function.
    pub environment: BTreeMap<String, String>,
}

/// A program of the stack that can have a proxy in front.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// All services except the pools.
    Ministack,
    /// The pool with this index in [`Options::pools`].
    Pool(usize),
}

/// A running stack. Dropping it stops it.
pub struct Stack {
    ministack: Option<Address>,
    pools: Vec<Address>,
    seeds: Vec<PoolSeed>,
    programs: Vec<Program>,
    folder: PathBuf,
    _ports: PortBlock,
}

#[derive(Clone, Copy)]
struct Address {
    port: u16,
    proxy: Option<u16>,
}

/// Where the programs are installed, and how they start.
struct Install {
    path: OsString,
    python: PathBuf,
    site: PathBuf,
    cognito_local: PathBuf,
}

impl Stack {
    /// Starts everything and waits until each program answers. If one does not, the error ends with
    /// that program's last log lines, and everything stops.
    pub async fn start(options: Options) -> anyhow::Result<Self> {
        let install = Install::find()?;
        let mut stack = Self::plan(&options)?;
        stack.spawn(&install, &options)?;
        for program in &mut stack.programs {
            program.ready().await?;
        }
        Ok(stack)
    }

    /// The endpoint of all services except the pools: the proxy's, if there is one.
    pub fn ministack_url(&self) -> String {
        self.ministack.expect("the stack was started without ministack").seen()
    }

    /// The same without the proxy, for callers that must not see the faults.
    pub fn ministack_url_direct(&self) -> String {
        self.ministack.expect("the stack was started without ministack").direct()
    }

    /// The endpoint of a pool, by its index in [`Options::pools`]: the proxy's, if there is one.
    pub fn pool_url(&self, pool: usize) -> String {
        self.address(Place::Pool(pool)).seen()
    }

    /// The same without the proxy: for the people themselves, who must not see the faults.
    pub fn pool_url_direct(&self, pool: usize) -> String {
        self.address(Place::Pool(pool)).direct()
    }

    /// The faults of the proxy in front of a program that [`Options::faults`] names.
    pub fn faults(&self, place: Place) -> Faults {
        let address = self.address(place);
        assert!(address.proxy.is_some(), "no proxy was asked for here");
        Faults::of(&address.seen())
    }

    /// Deploys a small Python function for the tests, such as [`VERIFIES_AT_SIGN_UP`], with its
    /// `handler` in one source text. Its output goes to the log group `/aws/lambda/<name>`.
    pub async fn deploy_python(&self, name: &str, source: &str) -> anyhow::Result<()> {
        self.deploy_python_within(name, source, 3).await
    }

    /// The same with another timeout; Lambda's default is three seconds.
    pub async fn deploy_python_within(
        &self,
        name: &str,
        source: &str,
        timeout_seconds: u32,
    ) -> anyhow::Result<()> {
        let url = self.ministack_url_direct();
        ministack::deploy_python(&url, name, source, timeout_seconds).await
    }

    /// The environment for a program that uses an AWS SDK with this stack.
    pub fn environment(&self) -> Vec<(&'static str, String)> {
        vec![
            ("AWS_ENDPOINT_URL", self.ministack_url()),
            ("AWS_ACCESS_KEY_ID", KEY.to_owned()),
            ("AWS_SECRET_ACCESS_KEY", KEY.to_owned()),
            ("AWS_REGION", REGION.to_owned()),
            ("AWS_DEFAULT_REGION", REGION.to_owned()),
            ("AWS_EC2_METADATA_DISABLED", "true".to_owned()),
        ]
    }

    /// From now on, a pool calls other functions; its people and settings stay. cognito-local reads
    /// its triggers only at its start, and never from the pool's `LambdaConfig`. So a caller that
    /// changes `LambdaConfig` calls this too. The pool refuses requests that arrive meanwhile.
    pub async fn set_triggers(
        &mut self,
        pool: usize,
        triggers: BTreeMap<String, String>,
    ) -> anyhow::Result<()> {
        let install = Install::find()?;
        let address = self.address(Place::Pool(pool));
        let mut seed = self.seeds.get(pool).context("the stack has no such pool")?.clone();
        let folder = self.folder_of(&seed.id)?;
        let data = cognito_local::data(&folder)?;
        let name = format!("pool-{}", seed.id);
        let at = self.programs.iter().position(|program| program.name() == name);
        let mut program = self.programs.remove(at.context("the pool does not run")?);
        program.finish()?;
        drop(program);
        let folder = self.folder_of(&seed.id)?;
        seed.triggers = triggers;
        let lambda = self.ministack.map_or_else(String::new, Address::direct);
        cognito_local::program_spec(&install, &folder, &seed, address.port, &lambda)?;
        for (path, bytes) in data {
            fs::write(&path, bytes).with_context(|| path.display().to_string())?;
        }
        let mut program =
            Program::start(cognito_local::again(&install, &folder, &seed, address.port), &folder)?;
        program.ready().await?;
        self.programs.push(program);
        Ok(())
    }

    /// The last lines of every program's log, each under the program's name, for a failing test.
    pub fn logs(&self, lines: usize) -> String {
        let log = |program: &Program| format!("== {}\n{}\n", program.name(), program.tail(lines));
        self.programs.iter().map(log).collect()
    }

    /// The process groups of the programs: everything of the stack runs in them.
    pub fn groups(&self) -> Vec<u32> {
        self.programs.iter().map(Program::group).collect()
    }

    /// A folder that is removed with the stack, for files of a test.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Ends every program and its children, and removes the folder. Dropping does the same but
    /// cannot report an error.
    pub fn stop(mut self) -> anyhow::Result<()> {
        self.shut_down()
    }

    /// Chooses ports and creates the folder; no program runs yet.
    fn plan(options: &Options) -> anyhow::Result<Self> {
        let triggered = options.pools.iter().any(|seed| !seed.triggers.is_empty());
        ensure!(options.ministack || !triggered, "pools with triggers need ministack");
        let mut ports = PortBlock::claim()?;
        let mut address = |place: Place| -> anyhow::Result<Address> {
            let proxied = options.faults.contains(&place);
            let port = ports.take()?;
            Ok(Address { port, proxy: proxied.then(|| ports.take()).transpose()? })
        };
        let ministack = options.ministack.then(|| address(Place::Ministack)).transpose()?;
        let pools = (0..options.pools.len()).map(|index| address(Place::Pool(index)));
        let pools = pools.collect::<anyhow::Result<_>>()?;
        let folder = make_folder()?;
        let seeds = options.pools.clone();
        Ok(Self { ministack, pools, seeds, programs: Vec::new(), folder, _ports: ports })
    }

    fn spawn(&mut self, install: &Install, options: &Options) -> anyhow::Result<()> {
        if let Some(address) = self.ministack {
            let folder = self.folder_of("ministack")?;
            // A program uses it as TMPDIR only if it exists.
            fs::create_dir_all(folder.join("tmp"))?;
            let (port, seen) = (address.port, address.seen());
            let program_spec =
                ministack::program_spec(install, &folder, port, &seen, &options.environment);
            self.run(program_spec, &folder)?;
            self.run_proxy(install, "ministack", address)?;
        }
        let lambda = self.ministack.map_or_else(String::new, Address::direct);
        for (seed, address) in options.pools.iter().zip(self.pools.clone()) {
            let folder = self.folder_of(&seed.id)?;
            let program_spec =
                cognito_local::program_spec(install, &folder, seed, address.port, &lambda)?;
            self.run(program_spec, &folder)?;
            self.run_proxy(install, &seed.id, address)?;
        }
        Ok(())
    }

    fn run_proxy(
        &mut self,
        install: &Install,
        behind: &str,
        address: Address,
    ) -> anyhow::Result<()> {
        let Some(proxy) = address.proxy else { return Ok(()) };
        let folder = self.folder_of(&format!("faults-before-{behind}"))?;
        let program_spec = microburst::program_spec(install, &folder, behind, proxy, address.port);
        self.run(program_spec, &folder)
    }

    fn run(&mut self, program_spec: ProgramSpec<'_>, folder: &Path) -> anyhow::Result<()> {
        self.programs.push(Program::start(program_spec, folder)?);
        Ok(())
    }

    fn folder_of(&self, program: &str) -> anyhow::Result<PathBuf> {
        let folder = self.folder.join(program);
        fs::create_dir_all(&folder).with_context(|| folder.display().to_string())?;
        Ok(folder)
    }

    fn address(&self, place: Place) -> Address {
        match place {
            Place::Ministack => self.ministack.expect("the stack was started without ministack"),
            Place::Pool(index) => *self.pools.get(index).expect("the stack has no such pool"),
        }
    }

    fn shut_down(&mut self) -> anyhow::Result<()> {
        // All programs get the signal before the first wait.
        self.programs.iter_mut().for_each(Program::release);
        let ended: Vec<_> = self.programs.iter_mut().map(Program::finish).collect();
        self.programs.clear();
        match fs::remove_dir_all(&self.folder) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(error).with_context(|| self.folder.display().to_string());
            }
            Ok(()) | Err(_) => {}
        }
        ended.into_iter().collect()
    }
}

impl Drop for Stack {
    fn drop(&mut self) {
        // `stop` has reported every error; a second call has nothing left to do.
        let _ = self.shut_down();
    }
}

impl Address {
    fn direct(self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    fn seen(self) -> String {
        // A host name without dots: in a name with dots, microburst searches for the name of a
        // service and loads the models of all of them, which takes three seconds.
        self.proxy.map_or_else(|| self.direct(), |proxy| format!("http://localhost:{proxy}"))
    }
}

impl Install {
    fn find() -> anyhow::Result<Self> {
        let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
        let local = tests.parent().context("the package stands alone")?.join(".local");
        let install = Self {
            path: std::env::var_os("PATH").context("PATH is not set")?,
            python: local.join("python/bin/python"),
            site: tests.join("local/python"),
            cognito_local: local.join("node/node_modules/cognito-local/lib/bin/start.js"),
        };
        let there = install.python.exists() && install.cognito_local.exists();
        ensure!(there, "the local stack is not installed\nhint: run `sh tests/local/install.sh`");
        Ok(install)
    }
}

fn make_folder() -> anyhow::Result<PathBuf> {
    static MADE: AtomicU32 = AtomicU32::new(0);
    let number = MADE.fetch_add(1, Ordering::Relaxed);
    let name = format!("poolbridge-stack-{}-{number}", std::process::id());
    let folder = std::env::temp_dir().join(name);
    // A folder that an ended process with the same number left behind.
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).with_context(|| folder.display().to_string())?;
    Ok(folder)
}
