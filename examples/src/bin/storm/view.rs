//! The live view of the stacks with layers, for a browser.

use std::net::Ipv4Addr;

use resilience_metrics::{Telemetry, live::Live};

use crate::{
    Failure,
    host::{Host, bind},
};

/// What the stacks tell their metrics to, and who serves it, if anybody asked for it.
#[derive(Debug)]
pub(crate) struct View {
    served: Option<(Live, Host)>,
}

impl View {
    /// Serves at `port`, or not at all.
    pub(crate) fn start(port: Option<u16>) -> Result<Self, Failure> {
        let Some(port) = port else { return Ok(Self { served: None }) };
        let live = Live::new();
        let socket = bind((Ipv4Addr::LOCALHOST, port).into())?;
        let address = socket.local_addr()?;
        let host = Host::start(socket, live.router())?;
        eprintln!("live view: http://{address}/");
        Ok(Self { served: Some((live, host)) })
    }

    /// The metrics of a stack. Without anybody who asked they go nowhere.
    pub(crate) fn telemetry(&self, pipeline: &'static str) -> Telemetry {
        let telemetry = Telemetry::new(pipeline);
        match &self.served {
            Some((live, _)) => live.watch(telemetry),
            None => telemetry,
        }
    }
}
