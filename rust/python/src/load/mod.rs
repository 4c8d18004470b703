//! `sfu._core.load`: peers of this process's own, for rooms without cameras and for load.

mod generator;
mod publisher;

use pyo3::prelude::*;

/// Adds the submodule to `parent`, importable by its full name.
pub(crate) fn register(parent: &Bound<'_, PyModule>) -> PyResult<()> {
    let module = PyModule::new(parent.py(), "load")?;
    module.add_class::<generator::Generator>()?;
    module.add_class::<publisher::Publisher>()?;
    parent.add_submodule(&module)?;
    // `import a.b.c` looks here; an extension module has no path to search.
    let name = format!("{}.load", parent.name()?);
    module.setattr("__name__", &name)?;
    let modules = parent.py().import("sys")?.getattr("modules")?;
    modules.set_item(name, module)
}
