//! tract: graphs in pure Rust, with no shared library.
//!
//! In: a graph's file, then tensors of the host. Out: tensors. tract plans a graph for sizes that are all known: a dimension that the
//! graph leaves to the run is fixed to the size it has there, and planned for anew when it has another. Nothing is fetched from outside
//! the graph's own file, and a panic of tract on a graph that it does not understand costs no more than the graph.

use std::collections::HashSet;
use std::fmt;
use std::fs::File;
use std::io::Read;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;

use ort::value::{Shape, SymbolicDimensions, TensorElementType, ValueType};
use tract_onnx::pb::tensor_shape_proto::dimension::Value as Dimension;
use tract_onnx::pb::{GraphProto, ValueInfoProto, type_proto};
use tract_onnx::prelude::{
    Datum, Framework, InferenceModel, InferenceModelExt, IntoRunnable, TValue, TVec, Tensor, TractError, TractResult,
    TypedRunnableModel,
};

use super::contract::{DYNAMIC, Outlet};
use super::tensor::{Elements, Input};
use crate::error::{Error, ErrorKind, Result};

/// Plans of one graph that are kept, each for other sizes of its inputs.
const PLANS: usize = 4;
/// No longer message of tract's is shown: some hold a whole node.
const MESSAGE_CHARS: usize = 400;

/// A graph as tract runs it, on the thread of the caller.
pub(super) struct Tract {
    inputs: Vec<Outlet>,
    outputs: Vec<Outlet>,
    /// The graph as it was read, where sizes are left to the run; its weights are shared with those of the plans that keep them as they were.
    open: Option<InferenceModel>,
    /// Those that were used last come first.
    plans: Vec<Plan>,
}

/// A graph, made ready for inputs of these shapes.
struct Plan {
    shapes: Vec<Vec<usize>>,
    graph: Arc<TypedRunnableModel>,
}

impl Tract {
    /// Loads the graph (`.onnx`) at `path`, which messages call `name`. It is planned at once where all sizes are in it.
    ///
    /// # Errors
    /// `Unsupported` for more than one thread; `Io`; `Model` when tract cannot read or plan the graph.
    pub(super) fn load(path: &Path, name: &str, threads: usize) -> Result<Self> {
        if threads > 1 {
            let message = format!("provider tract runs a graph on one thread, {threads} were asked for; leave --threads at 1");
            return Err(Error::new(ErrorKind::Unsupported, message));
        }
        let mut bytes = Vec::new();
        let read = File::open(path).and_then(|mut file| file.read_to_end(&mut bytes));
        read.map_err(|error| Error::io("read", path, &error))?;
        contained(|| Self::of(&bytes)).map_err(|error| {
            let message = format!("{name}: tract cannot load it: {error}; --provider cpu runs it with ONNX Runtime");
            Error::new(ErrorKind::Model, message)
        })
    }

    fn of(bytes: &[u8]) -> TractResult<Self> {
        // What the graph says of values between its inputs and outputs is in terms of the sizes that are left open.
        let onnx = tract_onnx::onnx().with_ignore_value_info(true);
        let mut proto = onnx.proto_model_for_read(&mut &bytes[..])?;
        let graph = proto.graph.as_mut().ok_or_else(|| TractError::msg("there is no graph in it"))?;
        let (inputs, outputs) = outlets(graph)?;
        // ONNX lets nodes share a name, tract does not.
        graph.node.iter_mut().enumerate().for_each(|(number, node)| node.name = format!("{number} {}", node.name));
        let open = onnx.model_for_proto_model(&proto)?;
        let fixed: Option<Vec<Vec<usize>>> = inputs.iter().map(fixed_shape).collect();
        let mut tract = Self { inputs, outputs, open: None, plans: Vec::new() };
        match fixed {
            Some(shapes) => tract.plans.push(Plan::new(open, shapes)?),
            None => tract.open = Some(open),
        }
        Ok(tract)
    }

    /// The graph's inputs, as it tells them.
    pub(super) fn inputs(&self) -> &[Outlet] {
        &self.inputs
    }

    /// Its outputs.
    pub(super) fn outputs(&self) -> &[Outlet] {
        &self.outputs
    }

    /// Runs the graph.
    ///
    /// # Errors
    /// With what tract says.
    pub(super) fn run(&mut self, given: &[Input<'_>]) -> std::result::Result<Values<'_>, String> {
        let values = contained(|| self.values(given))?;
        Ok(Values { names: &self.outputs, values })
    }

    fn values(&mut self, given: &[Input<'_>]) -> TractResult<TVec<TValue>> {
        if let Some(unknown) = given.iter().find(|given| self.inputs.iter().all(|input| input.name() != given.name)) {
            return Err(TractError::msg(format!("there is no input '{}'", unknown.name)));
        }
        let mut values = TVec::new();
        for input in &self.inputs {
            let given = given.iter().find(|given| given.name == input.name());
            let given = given.ok_or_else(|| TractError::msg(format!("nothing was given to input '{}'", input.name())))?;
            values.push(value(input, given)?);
        }
        // A state of its own for every run: tract's states keep what a recurrent operator ended with, and would begin the next run
        // with that, not with what the graph is given for it.
        self.plan(&values)?.graph.run(values)
    }

    /// The plan for the shapes of `values`.
    fn plan(&mut self, values: &[TValue]) -> TractResult<&Plan> {
        let fits = |plan: &Plan| plan.shapes.iter().map(Vec::as_slice).eq(values.iter().map(|value| value.shape()));
        match (self.plans.iter().position(fits), &self.open) {
            (Some(place), _) => self.plans[..=place].rotate_right(1),
            (None, Some(open)) => {
                let shapes = values.iter().map(|value| value.shape().to_vec()).collect();
                let plan = Plan::new(open.clone(), shapes)?;
                self.plans.truncate(PLANS - 1);
                self.plans.insert(0, plan);
            }
            // Cannot be: each value was held to what the graph tells of its input, which leaves nothing open here.
            (None, None) => return Err(TractError::msg("it was planned for other sizes")),
        }
        self.plans.first().ok_or_else(|| TractError::msg("the graph was not planned"))
    }
}

impl Plan {
    fn new(mut model: InferenceModel, shapes: Vec<Vec<usize>>) -> TractResult<Self> {
        for (number, shape) in shapes.iter().enumerate() {
            let fact = model.input_fact(number)?.clone().with_shape(shape.as_slice());
            model.set_input_fact(number, fact)?;
        }
        Ok(Self { shapes, graph: model.into_optimized()?.into_runnable()? })
    }
}

impl fmt::Debug for Tract {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shapes: Vec<_> = self.plans.iter().map(|plan| &plan.shapes).collect();
        f.debug_struct("Tract").field("inputs", &self.inputs).field("planned", &shapes).finish_non_exhaustive()
    }
}

/// The outputs of a run, with their names.
#[derive(Debug)]
pub(super) struct Values<'g> {
    names: &'g [Outlet],
    values: TVec<TValue>,
}

impl Values<'_> {
    /// The elements of the output `name`; `None` where there is none.
    pub(super) fn get<T: Datum>(&self, name: &str) -> Option<std::result::Result<&[T], String>> {
        let value = self.values.get(self.names.iter().position(|outlet| outlet.name() == name)?)?;
        Some(value.try_as_plain_ram().and_then(|view| view.as_slice()).map_err(|error| told(&error)))
    }
}

/// Runs `work` of tract's; what is wrong becomes a message, a panic as well.
fn contained<T>(work: impl FnOnce() -> TractResult<T>) -> std::result::Result<T, String> {
    match catch_unwind(AssertUnwindSafe(work)) {
        Ok(done) => done.map_err(|error| told(&error)),
        Err(_) => Err("it holds something that tract does not survive".to_owned()),
    }
}

/// What `input` is given, held to what the graph tells of it.
fn value(input: &Outlet, given: &Input<'_>) -> TractResult<TValue> {
    let wrong = |takes: &dyn fmt::Display, gave: &dyn fmt::Display| {
        Err(TractError::msg(format!("input '{}' takes {takes}, {gave} was given", input.name())))
    };
    let element = given.elements.element();
    if let Some(takes) = input.dtype().tensor_type().filter(|takes| *takes != element) {
        return wrong(&takes, &element);
    }
    let takes = input.dtype().tensor_shape().map_or(&[][..], |shape| shape);
    let fits = |(takes, gave): (&i64, &usize)| *takes == DYNAMIC || usize::try_from(*takes) == Ok(*gave);
    // A tensor of which the graph does not say even the number of dimensions is told with none.
    if !takes.is_empty() && takes.len() != given.shape.len() || !takes.iter().zip(given.shape).all(fits) {
        return wrong(&format!("{takes:?}"), &format!("{:?}", given.shape));
    }
    let tensor = match given.elements {
        Elements::F32(elements) => Tensor::from_shape(given.shape, elements),
        Elements::U8(elements) => Tensor::from_shape(given.shape, elements),
    };
    tensor.map(TValue::from).map_err(|error| error.context(format!("input '{}'", input.name())))
}

/// What failed, and why, on one line.
fn told(error: &TractError) -> String {
    let message = format!("{error:#}").replace('\n', " ");
    match message.char_indices().nth(MESSAGE_CHARS) {
        Some((end, _)) => format!("{}...", &message[..end]),
        None => message,
    }
}

/// The graph's inputs and outputs, told as ONNX Runtime tells them. What is given a value in the graph is no input.
fn outlets(graph: &GraphProto) -> TractResult<(Vec<Outlet>, Vec<Outlet>)> {
    let constants: HashSet<&str> = graph.initializer.iter().map(|constant| &*constant.name).collect();
    let inputs = graph.input.iter().filter(|input| !constants.contains(&*input.name)).map(outlet).collect::<TractResult<_>>()?;
    let outputs = graph.output.iter().map(outlet).collect::<TractResult<_>>()?;
    Ok((inputs, outputs))
}

fn outlet(info: &ValueInfoProto) -> TractResult<Outlet> {
    let value = info.r#type.as_ref().and_then(|told| told.value.as_ref());
    let Some(type_proto::Value::TensorType(tensor)) = value else {
        return Err(TractError::msg(format!("'{}' is no tensor", info.name)));
    };
    let sizes = tensor.shape.iter().flat_map(|shape| &shape.dim).map(|dimension| match dimension.value {
        Some(Dimension::DimValue(size)) if size >= 0 => size,
        _ => DYNAMIC,
    });
    let shape = Shape::new(sizes);
    let dimension_symbols = SymbolicDimensions::empty(shape.len());
    Ok(Outlet::new(&*info.name, ValueType::Tensor { ty: element(tensor.elem_type), shape, dimension_symbols }))
}

/// The type that ONNX gives this number (onnx.proto, `TensorProto.DataType`).
fn element(number: i32) -> TensorElementType {
    match number {
        1 => TensorElementType::Float32,
        2 => TensorElementType::Uint8,
        3 => TensorElementType::Int8,
        4 => TensorElementType::Uint16,
        5 => TensorElementType::Int16,
        6 => TensorElementType::Int32,
        7 => TensorElementType::Int64,
        8 => TensorElementType::String,
        9 => TensorElementType::Bool,
        10 => TensorElementType::Float16,
        11 => TensorElementType::Float64,
        12 => TensorElementType::Uint32,
        13 => TensorElementType::Uint64,
        16 => TensorElementType::Bfloat16,
        _ => TensorElementType::Undefined,
    }
}

/// The shape of a tensor of which no size is left to the run.
fn fixed_shape(outlet: &Outlet) -> Option<Vec<usize>> {
    let shape = outlet.dtype().tensor_shape().filter(|shape| !shape.is_empty())?;
    shape.iter().map(|size| usize::try_from(*size).ok()).collect()
}
