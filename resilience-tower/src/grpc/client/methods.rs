use std::sync::Arc;

/// Methods of gRPC services, by name.
///
/// A name is `package.Service/Method`, with a slash in front or without, or `package.Service` for all of its methods:
///
/// ```
/// use resilience_tower::grpc::Methods;
///
/// let reads = Methods::from(["shop.Orders/Get", "shop.Stock"]);
/// assert!(reads.contains("/shop.Orders/Get") && reads.contains("/shop.Stock/Count"));
/// assert!(!reads.contains("/shop.Orders/Cancel"));
/// ```
///
/// # Panics
///
/// `from` panics if a name is none of these.
#[derive(Clone, Debug, Default)]
pub struct Methods(Names);

#[derive(Clone, Debug)]
enum Names {
    All,
    /// In order, and without the slash in front.
    Some(Arc<[Box<str>]>),
}

impl Default for Names {
    fn default() -> Self {
        Self::Some(Arc::default())
    }
}

impl Methods {
    /// None: the default.
    #[must_use]
    pub fn none() -> Self {
        Self::default()
    }

    /// All methods of all services.
    #[must_use]
    pub const fn all() -> Self {
        Self(Names::All)
    }

    /// Whether the method with this path, as it is in the URI of a call, is among them.
    #[must_use]
    pub fn contains(&self, path: &str) -> bool {
        let names = match &self.0 {
            Names::All => return true,
            Names::Some(names) if names.is_empty() => return false,
            Names::Some(names) => names,
        };
        let has = |name: &str| names.binary_search_by(|there| (**there).cmp(name)).is_ok();
        // A channel's origin may have a path of its own, which comes first.
        let Some((rest, method)) = path.rsplit_once('/') else { return false };
        let start = rest.rfind('/').map_or(0, |slash| slash + 1);
        has(&rest[start..]) || (!method.is_empty() && has(&path[start..]))
    }
}

impl<N: AsRef<str>, const COUNT: usize> From<[N; COUNT]> for Methods {
    #[track_caller]
    fn from(names: [N; COUNT]) -> Self {
        Self::from(names.as_slice())
    }
}

impl<N: AsRef<str>> From<&[N]> for Methods {
    #[track_caller]
    fn from(names: &[N]) -> Self {
        let mut checked = Vec::with_capacity(names.len());
        for name in names {
            checked.push(check(name.as_ref()));
        }
        checked.sort_unstable();
        Self(Names::Some(checked.into()))
    }
}

#[track_caller]
fn check(given: &str) -> Box<str> {
    let name = given.strip_prefix('/').unwrap_or(given);
    let (service, method) = name.split_once('/').unwrap_or((name, "all"));
    assert!(
        !service.is_empty() && !method.is_empty() && !method.contains('/'),
        "a method is {given:?}, it must be `package.Service/Method`, or `package.Service` for all of its methods"
    );
    name.into()
}

#[cfg(test)]
mod tests {
    use std::panic::catch_unwind;

    use super::*;

    #[test]
    fn names_are_whole_names() {
        let methods = Methods::from(["/shop.Orders/Get", "shop.Stock", "a.B/C"]);
        for there in
            ["/shop.Orders/Get", "/shop.Stock/Count", "/shop.Stock/", "/a.B/C", "/at/all/a.B/C", "a.B/C"]
        {
            assert!(methods.contains(there), "{there}");
        }
        for other in [
            "",
            "/",
            "a.B",
            "/a.B",
            "/a.B/",
            "/a.B/CD",
            "/a.B/c",
            "/shop.Orders/GetAll",
            "/shop.Stocks/Count",
        ] {
            assert!(!methods.contains(other), "{other}");
        }
        assert!(Methods::all().contains("/a.B/C"));
        assert!(!Methods::none().contains("/a.B/C"));
    }

    #[test]
    fn what_is_no_name_panics_and_is_named() {
        for bad in ["", "/", "a.B/", "/a.B/", "/a.B/C/D", "//C"] {
            let panic = catch_unwind(|| Methods::from([bad])).unwrap_err();
            let text = panic.downcast::<String>().unwrap();
            assert!(
                text.starts_with(&format!("a method is {bad:?}, it must be `package.Service/Method`")),
                "{text}"
            );
        }
    }
}
