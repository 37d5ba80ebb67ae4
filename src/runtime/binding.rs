//! A graph whose inputs and outputs are bound to memory.
//!
//! In: values for the inputs, each bound until it is bound anew. Out: values in the memory that was asked for: the device's, where
//! the next run takes them without a way through the host, or the host's. A graph that feeds on its own outputs needs no copy.

use ort::memory::{AllocationDevice, AllocatorType, MemoryInfo, MemoryType};
use ort::session::IoBinding;
use ort::value::{DynValue, Value, ValueTypeMarker};

use super::graph::Graph;
use super::provider::Provider;
use super::session::failed_run;
use crate::error::Result;

/// The memory an output is written to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Memory {
    /// The memory of the device the graph runs on.
    Device,
    /// The processor's.
    Host,
}

/// A graph with its binding.
#[derive(Debug)]
pub struct BoundGraph {
    graph: Graph,
    binding: IoBinding,
    outputs: Vec<(String, Memory)>,
    device: MemoryInfo<'static>,
    host: MemoryInfo<'static>,
}

impl BoundGraph {
    /// Binds `outputs`, which are computed at every run; the graph's other outputs are not.
    ///
    /// # Errors
    /// `Model` with what ONNX Runtime says; `Unsupported` where another runs the graph.
    pub fn new(graph: Graph, outputs: Vec<(String, Memory)>) -> Result<Self> {
        let failed = |error: ort::Error| failed_run(graph.name(), &error);
        let session = graph.session()?;
        let (device, id) = match graph.settings().provider {
            Provider::Cpu => (AllocationDevice::CPU, 0),
            #[cfg(feature = "tract")]
            Provider::Tract => (AllocationDevice::CPU, 0),
            Provider::Cuda { device } | Provider::TensorRt { device } => (AllocationDevice::CUDA, device),
        };
        let id = i32::try_from(id).unwrap_or(i32::MAX);
        let device = MemoryInfo::new(device, id, AllocatorType::Device, MemoryType::Default).map_err(failed)?;
        let host = MemoryInfo::new(AllocationDevice::CPU, 0, AllocatorType::Device, MemoryType::Default).map_err(failed)?;
        let binding = session.create_binding().map_err(failed)?;
        Ok(Self { graph, binding, outputs, device, host })
    }

    /// The graph.
    pub fn graph(&self) -> &Graph {
        &self.graph
    }

    /// Gives `value` to the input `name` from the next run on. A value on another device is copied to the graph's once, here.
    ///
    /// # Errors
    /// `Model` with what ONNX Runtime says.
    pub fn give<T: ValueTypeMarker + ?Sized>(&mut self, name: &str, value: &Value<T>) -> Result<()> {
        self.binding.bind_input(name, value).map_err(|error| failed_run(self.graph.name(), &error))
    }

    /// Runs the graph and returns the outputs in the order they were bound.
    ///
    /// # Errors
    /// `Model` with what ONNX Runtime says.
    pub fn run(&mut self) -> Result<Vec<DynValue>> {
        for (name, memory) in &self.outputs {
            let memory = match memory {
                Memory::Device => &self.device,
                Memory::Host => &self.host,
            };
            // Bound anew for every run: ONNX Runtime writes to the value of the run before, whose shape may be another and
            // which may be an input now.
            self.binding.bind_output_to_device(name, memory).map_err(|error| failed_run(self.graph.name(), &error))?;
        }
        let name = self.graph.name().clone();
        let session = self.graph.session_mut()?;
        let mut outputs = session.run_binding(&self.binding).map_err(|error| failed_run(&name, &error))?;
        let values: Option<Vec<DynValue>> = self.outputs.iter().map(|(name, _)| outputs.remove(name)).collect();
        drop(outputs);
        values.ok_or_else(|| self.graph.error("did not give every output"))
    }

    /// Lets go of every value that is bound, so that none is held between utterances.
    pub fn release(&mut self) {
        self.binding.clear();
    }
}
