//! Plain values that cross into Python: frozen classes whose fields are also their match pattern.

use pyo3::prelude::*;
use pyo3::types::PyList;

/// Declares a frozen Python class with read-only fields, `__match_args__` in their order, and a `__repr__` that shows them.
macro_rules! record {
    ($(#[$doc:meta])* $name:ident { $($(#[$field_doc:meta])* $field:ident: $kind:ty),* $(,)? }) => {
        $(#[$doc])*
        #[pyo3::pyclass(frozen, get_all, module = "sfu._core")]
        pub(crate) struct $name {
            $($(#[$field_doc])* pub(crate) $field: $kind,)*
        }

        #[pyo3::pymethods]
        impl $name {
            #[classattr]
            fn __match_args__(py: pyo3::Python<'_>) -> pyo3::PyResult<pyo3::Bound<'_, pyo3::types::PyTuple>> {
                pyo3::types::PyTuple::new(py, $crate::record::names(&[$(stringify!($field)),*]))
            }

            fn __repr__(slf: &pyo3::Bound<'_, Self>) -> pyo3::PyResult<String> {
                $crate::record::represent(slf.as_any(), stringify!($name), &[$(stringify!($field)),*])
            }
        }
    };
}

/// Field names as Python knows them: `r#type` is `type`.
pub(crate) fn names<'a>(fields: &[&'a str]) -> Vec<&'a str> {
    fields.iter().map(|field| field.trim_start_matches("r#")).collect()
}

/// `Name(first=1, second='two')`.
pub(crate) fn represent(value: &Bound<'_, PyAny>, name: &str, fields: &[&str]) -> PyResult<String> {
    let fields = names(fields).into_iter().map(|field| Ok(format!("{field}={}", value.getattr(field)?.repr()?)));
    Ok(format!("{name}({})", fields.collect::<PyResult<Vec<_>>>()?.join(", ")))
}

/// A list of records.
pub(crate) fn list<'py, T, C>(
    py: Python<'py>,
    values: impl IntoIterator<Item = T>,
    convert: impl Fn(Python<'py>, T) -> PyResult<C>,
) -> PyResult<Py<PyList>>
where
    C: IntoPyObject<'py>,
{
    let list = PyList::empty(py);
    for value in values {
        list.append(convert(py, value)?)?;
    }
    Ok(list.unbind())
}
