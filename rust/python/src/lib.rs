//! The extension module `sfu._core`: the data plane behind the asyncio API.
//!
//! Translates between Python's values and the core's, never decides. Commands are posted and answered by ticket, everything
//! else comes out of `Core.drain()`; nothing here waits (but start and close, with the GIL released) and nothing calls back
//! into Python. `python/sfu/_core/` is the contract, checked by `mypy.stubtest`.

#[macro_use]
mod record;

mod aliases;
mod arguments;
mod core;
mod description;
mod drained;
mod events;
mod load;
mod plane;
mod replay;
mod replies;
mod self_signed;
mod stats;
mod tap;
mod testing;
mod testing_simulation;
mod torture;

use pyo3::prelude::*;

/// The data plane; private to the package `sfu`.
#[pymodule(gil_used = false)]
fn _core(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add("__version__", env!("CARGO_PKG_VERSION"))?;
    module.add_class::<core::Core>()?;
    module.add_class::<drained::Drained>()?;
    module.add_class::<description::Description>()?;
    module.add_class::<replies::CommandFailed>()?;
    module.add_function(wrap_pyfunction!(self_signed::self_signed, module)?)?;
    events::register(module)?;
    stats::register(module)?;
    tap::register(module)?;
    load::register(module)?;
    testing::register(module)?;
    aliases::register(module)
}
