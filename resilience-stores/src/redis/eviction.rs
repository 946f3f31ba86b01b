//! Whether a server may throw records away.

use redis::Value;

/// What a server does when it is full, as [`RedisStore::eviction`](super::RedisStore::eviction) finds out.
///
/// ```
/// use resilience_stores::redis::Eviction;
///
/// fn may_start(found: &Eviction) -> bool {
///     match found {
///         Eviction::Never => true,
///         Eviction::Possible { .. } => false,
///         // A managed server that does not say: the operator has to know.
///         Eviction::Unknown => true,
///     }
/// }
/// assert!(!may_start(&Eviction::Possible { policy: "allkeys-lru".to_owned() }));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Eviction {
    /// It refuses to write (`noeviction`): what has been claimed stays.
    Never,
    /// It makes room by throwing keys away, claims among them: two may run one operation. Also said of a server that has no limit on
    /// its memory today.
    Possible {
        /// Its `maxmemory-policy`. On a cluster, the first one that is not `noeviction`.
        policy: String,
    },
    /// It does not say.
    Unknown,
}

impl Eviction {
    /// From the answer to `INFO memory`: a text, or one for each node of a cluster.
    pub(super) fn of(info: &Value) -> Self {
        let mut policies = Vec::new();
        collect(info, &mut policies);
        match policies.iter().find(|policy| *policy != "noeviction") {
            Some(policy) => Self::Possible { policy: policy.clone() },
            None if policies.is_empty() => Self::Unknown,
            None => Self::Never,
        }
    }
}

fn collect(value: &Value, policies: &mut Vec<String>) {
    match value {
        Value::BulkString(text) => collect_lines(&String::from_utf8_lossy(text), policies),
        Value::SimpleString(text) | Value::VerbatimString { text, .. } => collect_lines(text, policies),
        Value::Array(values) => values.iter().for_each(|value| collect(value, policies)),
        Value::Map(pairs) => pairs.iter().for_each(|(_, value)| collect(value, policies)),
        _ => {}
    }
}

fn collect_lines(text: &str, policies: &mut Vec<String>) {
    let policy = |line: &str| line.strip_prefix("maxmemory_policy:").map(|policy| policy.trim().to_owned());
    policies.extend(text.lines().filter_map(policy));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn info(policy: &str) -> Value {
        Value::BulkString(format!("# Memory\r\nused_memory:1\r\nmaxmemory_policy:{policy}\r\n").into_bytes())
    }

    #[test]
    fn only_noeviction_keeps_everything() {
        assert_eq!(Eviction::of(&info("noeviction")), Eviction::Never);
        for policy in ["allkeys-lru", "volatile-ttl"] {
            assert_eq!(Eviction::of(&info(policy)), Eviction::Possible { policy: policy.to_owned() });
        }
    }

    #[test]
    fn a_server_that_does_not_say_is_not_taken_for_a_safe_one() {
        assert_eq!(Eviction::of(&Value::BulkString(b"# Memory\r\n".to_vec())), Eviction::Unknown);
        assert_eq!(Eviction::of(&Value::Nil), Eviction::Unknown);
    }

    #[test]
    fn one_node_of_a_cluster_is_enough() {
        let node = |name: &str, policy| (Value::SimpleString(name.to_owned()), info(policy));
        let nodes = Value::Map(vec![node("a", "noeviction"), node("b", "allkeys-lfu")]);
        assert_eq!(Eviction::of(&nodes), Eviction::Possible { policy: "allkeys-lfu".to_owned() });
    }
}
