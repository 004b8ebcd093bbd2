//! Finding the engine, and what it can do.

use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;
use std::sync::Arc;

use duress_engine::{EngineError, EngineInfo, EngineResult, NetDriver};

use super::calls::PATIENCE;
use super::{Docker, address, calls, namespace, toolbox};

impl Docker {
    /// Connects to the engine that `DOCKER_HOST`, the current Docker context or the usual socket names. Without a driver for programs
    /// in a container's network, the best that works is taken.
    ///
    /// # Errors
    /// [`EngineError::Missing`] when none answers, or the driver cannot work here.
    pub async fn connect(driver: Option<NetDriver>) -> EngineResult<Self> {
        let address = address::find();
        let missing = |why: String| {
            EngineError::Missing {
            message: format!("no container engine answers at {address}: {why}"),
            hint: if why.contains("Permission denied") {
                "run duress as root, or as a member of the group that may use the engine (most often `docker`)"
            } else {
                "install and start Docker (on Debian: apt-get install docker.io), or set DOCKER_HOST; `duress doctor` says more"
            }
            .into(),
        }
        };
        let api = bollard::Docker::connect_with_host(&address)
            .map_err(|error| missing(calls::reason(&error)))?;
        let info = tokio::time::timeout(PATIENCE, api.info())
            .await
            .map_err(|_| missing("no response".into()))?
            .map_err(|error| missing(calls::reason(&error)))?;
        let api = match tokio::time::timeout(PATIENCE, api.clone().negotiate_version()).await {
            Ok(Ok(negotiated)) => negotiated,
            _ => api,
        };
        let local = address::is_local(&address, &info);
        let may_enter = local && namespace::may_enter();
        let toolbox = api.inspect_image(&toolbox::image()).await.is_ok();
        let net_driver = match driver {
            Some(NetDriver::Namespace) if !may_enter => {
                return Err(EngineError::Missing {
                    message: "the driver `namespace` cannot work here: it needs root on the engine's own machine, with all its capabilities".into(),
                    hint: "leave --net-driver out, or run duress as root beside the engine".into(),
                });
            }
            Some(NetDriver::Toolbox) if !toolbox => return Err(toolbox::missing()),
            Some(driver) => driver,
            None if may_enter => NetDriver::Namespace,
            None if toolbox => NetDriver::Toolbox,
            None => NetDriver::Container,
        };
        let cgroup_version = match info.cgroup_version {
            Some(bollard::models::SystemInfoCgroupVersionEnum::_2) => 2,
            _ => 1,
        };
        let host = address::host_of(&address)
            .await
            .unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST));
        let data_root = info
            .docker_root_dir
            .map_or_else(|| "/var/lib/docker".into(), PathBuf::from);
        let version = info.server_version.unwrap_or_default();
        let info = EngineInfo {
            version,
            address,
            cgroup_version,
            local,
            net_driver,
            toolbox,
        };
        Ok(Self {
            api,
            info,
            host,
            data_root,
            helper: Arc::default(),
            toolboxes: Arc::default(),
            adopted: Arc::default(),
        })
    }
}
