//! Execution providers: where a graph runs.

use std::fmt;
use std::str::FromStr;

use ort::ep::{self, ExecutionProviderDispatch};

use crate::error::{Error, ErrorKind, Result};

/// The names of the providers of this build.
#[cfg(not(feature = "tract"))]
const CHOICES: &str = "cpu, cuda, cuda:N, tensorrt or tensorrt:N";
#[cfg(feature = "tract")]
const CHOICES: &str = "cpu, cuda, cuda:N, tensorrt, tensorrt:N or tract";

/// Where a graph runs. Asking for one that is not there is an error, not a slower run.
///
/// A GPU runs the operators that it has kernels for; ONNX Runtime gives the others to the processor and does not report which.
/// So `cuda:0` says which provider was registered and that the graph ran, not that every operator ran there. How many do not
/// depends on the graph: shape arithmetic nearly always, and products of integers that serve a processor: in a model's int8
/// export CUDA has no kernel for the product of unsigned by signed bytes (ONNX Runtime, `docs/OperatorKernels.md`). For a GPU,
/// export in fp16.
///
/// ONNX Runtime's switch against this, `session.disable_cpu_ep_fallback`, is not used: it refuses a graph for a single shape
/// operator on the processor.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Provider {
    /// The processor.
    #[default]
    Cpu,
    /// An NVIDIA GPU through CUDA.
    Cuda {
        /// CUDA's number of the GPU.
        device: u32,
    },
    /// An NVIDIA GPU through TensorRT; operators it lacks run through CUDA on the same GPU.
    TensorRt {
        /// CUDA's number of the GPU.
        device: u32,
    },
    /// The processor, by tract: pure Rust, no library to look for, one thread. Silero, YAMNet and the Audio Transformer run on it.
    #[cfg(feature = "tract")]
    Tract,
}

impl Provider {
    /// Whether graphs run in ONNX Runtime, so that its library has to be there.
    pub fn needs_library(self) -> bool {
        match self {
            Self::Cpu | Self::Cuda { .. } | Self::TensorRt { .. } => true,
            #[cfg(feature = "tract")]
            Self::Tract => false,
        }
    }

    /// The provider of the processor with the same needs.
    pub(super) fn of_processor(self) -> Self {
        if self.needs_library() { Self::Cpu } else { self }
    }

    /// Fails where graphs cannot be bound to memory, before any graph of `model` is loaded.
    ///
    /// # Errors
    /// `Unsupported`, with what to do.
    pub(crate) fn must_bind(self, model: &str) -> Result<()> {
        if self.needs_library() { Ok(()) } else { Err(self.cannot_bind(model)) }
    }

    pub(super) fn cannot_bind(self, what: &str) -> Error {
        let message = format!(
            "{what}: captions need ONNX Runtime, which provider {self} does without; choose --provider cpu, or sounds alone with 'auricle tag'"
        );
        Error::new(ErrorKind::Unsupported, message)
    }

    /// What to register with a session, each with error-on-failure; the processor comes last, for the operators left over.
    ///
    /// The processor has no arena. Each session would keep one of its own, as large as the longest piece of speech ever made it,
    /// where the C library's allocator gives to one what another has done with. Measured on x86-64 with Moonshine tiny, Silero
    /// and YAMNet over 44 s of live speech: at most 197 MiB resident with arenas and 156 without, 135 at the end; a step and the
    /// encoder take the same time within 1.5 %.
    pub(super) fn dispatch(self) -> Vec<ExecutionProviderDispatch> {
        let cuda = |device: u32| {
            ep::CUDA::default()
                .with_device_id(i32::try_from(device).unwrap_or(i32::MAX))
                .with_arena_extend_strategy(ep::ArenaExtendStrategy::SameAsRequested)
                .with_conv_algorithm_search(ep::cuda::ConvAlgorithmSearch::Heuristic)
                .build()
                .error_on_failure()
        };
        let mut providers = match self {
            Self::Cpu => Vec::new(),
            #[cfg(feature = "tract")]
            Self::Tract => Vec::new(),
            Self::Cuda { device } => vec![cuda(device)],
            Self::TensorRt { device } => {
                let id = i32::try_from(device).unwrap_or(i32::MAX);
                vec![ep::TensorRT::default().with_device_id(id).build().error_on_failure(), cuda(device)]
            }
        };
        providers.push(ep::CPU::default().with_arena_allocator(false).build().error_on_failure());
        providers
    }
}

impl fmt::Display for Provider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cpu => f.write_str("cpu"),
            Self::Cuda { device } => write!(f, "cuda:{device}"),
            Self::TensorRt { device } => write!(f, "tensorrt:{device}"),
            #[cfg(feature = "tract")]
            Self::Tract => f.write_str("tract"),
        }
    }
}

impl FromStr for Provider {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let wrong = || {
            let message = format!("'{}' is not a provider; choose {CHOICES}", text.escape_debug());
            Error::new(ErrorKind::InvalidInput, message)
        };
        let (name, device) = match text.split_once(':') {
            Some((name, device)) => (name, Some(device.parse::<u32>().map_err(|_| wrong())?)),
            None => (text, None),
        };
        match (name, device) {
            ("cpu", None) => Ok(Self::Cpu),
            #[cfg(feature = "tract")]
            ("tract", None) => Ok(Self::Tract),
            #[cfg(not(feature = "tract"))]
            ("tract", None) => {
                let message = format!(
                    "this build has no provider tract; 'cargo build --release --features tract' makes one that has; or choose {CHOICES}"
                );
                Err(Error::new(ErrorKind::Unsupported, message))
            }
            ("cuda", device) => Ok(Self::Cuda { device: device.unwrap_or(0) }),
            ("tensorrt", device) => Ok(Self::TensorRt { device: device.unwrap_or(0) }),
            _ => Err(wrong()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_round_trip_and_others_are_refused() {
        for name in ["cpu", "cuda:0", "cuda:3", "tensorrt:1"] {
            assert_eq!(name.parse::<Provider>().unwrap().to_string(), name);
        }
        #[cfg(feature = "tract")]
        assert_eq!("tract".parse::<Provider>().unwrap().to_string(), "tract");
        #[cfg(not(feature = "tract"))]
        assert!("tract".parse::<Provider>().unwrap_err().message().contains("--features tract"));
        assert_eq!("cuda".parse::<Provider>().unwrap(), Provider::Cuda { device: 0 });
        for name in ["", "gpu", "cpu:1", "cuda:x", "cuda:-1", "tract:0"] {
            let error = name.parse::<Provider>().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidInput);
            assert!(error.message().contains("choose cpu"), "{error}");
        }
    }
}
