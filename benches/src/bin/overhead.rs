//! Prints what a call costs through each implementation: a table, or one JSON object per line.

use std::io::{self, Write};
use std::process::ExitCode;

use benches::harness::measure;
use benches::memory::{KEYS, PerKey, TABLES};
use benches::policies::{ALL, Case, Policy, keyed};
use benches::stats::Cost;

const HELP: &str = "\
Measures the overhead of each policy per call, next to the bare call and other crates,
and what a table by key holds in memory.

Usage: overhead [--json] [--policy NAME]

  --json         print one JSON object per line instead of tables
  --policy NAME  measure only this policy
  --help         print this text
";

const THREADS: [usize; 2] = [1, 2];

fn main() -> ExitCode {
    let options = match Options::parse(std::env::args().skip(1)) {
        Ok(options) => options,
        Err(error) => {
            eprintln!("error: {error}\n\n{HELP}");
            return ExitCode::from(2);
        }
    };
    match run(&options, &mut io::stdout().lock()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

/// What the command line asks for.
#[derive(Debug, PartialEq)]
struct Options {
    help: bool,
    json: bool,
    policy: Option<String>,
}

impl Options {
    fn parse(mut arguments: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut options = Self { help: false, json: false, policy: None };
        while let Some(argument) = arguments.next() {
            match argument.as_str() {
                "--help" | "-h" => options.help = true,
                "--json" => options.json = true,
                "--policy" => {
                    let name = arguments.next().ok_or("--policy needs the name of a policy")?;
                    if !ALL.iter().any(|policy| policy.name == name) {
                        let known: Vec<_> = ALL.iter().map(|policy| policy.name).collect();
                        return Err(format!("no policy `{name}`, there are: {}", known.join(", ")));
                    }
                    options.policy = Some(name);
                }
                _ => return Err(format!("unknown argument `{argument}`")),
            }
        }
        Ok(options)
    }

    fn wants(&self, policy: &Policy) -> bool {
        self.policy.as_ref().is_none_or(|name| name == policy.name)
    }
}

fn run(options: &Options, out: &mut impl Write) -> io::Result<()> {
    if options.help {
        return out.write_all(HELP.as_bytes());
    }
    for policy in ALL.iter().filter(|policy| options.wants(policy)) {
        for case in policy.cases {
            let [one, two] = measure(&(case.subjects)(), THREADS);
            if options.json {
                json(out, policy, case, &one, &two)?;
            } else {
                table(out, policy, case, &one, &two)?;
            }
            out.flush()?;
        }
    }
    if options.wants(&keyed::POLICY) {
        memory(out, options.json)?;
    }
    Ok(())
}

/// Bytes that each key takes, and in how many blocks.
fn memory(out: &mut impl Write, json: bool) -> io::Result<()> {
    if !json {
        write!(out, "{:<36}", "keyed / bytes (blocks) per key")?;
        KEYS.iter().try_for_each(|keys| write!(out, " {:>19}", format!("{keys} keys")))?;
        writeln!(out)?;
    }
    for table in TABLES {
        let rows = KEYS.map(|keys| (keys, table.per_key(keys)));
        if json {
            for (keys, PerKey { bytes, blocks }) in rows {
                writeln!(
                    out,
                    r#"{{"policy":"keyed","case":"memory","impl":"{}","keys":{keys},"bytes":{bytes:.1},"blocks":{blocks:.3}}}"#,
                    table.name,
                )?;
            }
        } else {
            write!(out, "  {:<34}", table.name)?;
            rows.iter().try_for_each(|(_, key)| write!(out, " {:>12.1} ({:.2})", key.bytes, key.blocks))?;
            writeln!(out)?;
        }
    }
    Ok(())
}

/// The names are ours and contain nothing that JSON would want escaped.
fn json(out: &mut impl Write, policy: &Policy, case: &Case, one: &[Cost], two: &[Cost]) -> io::Result<()> {
    for (threads, costs) in THREADS.into_iter().zip([one, two]) {
        for cost in costs {
            writeln!(
                out,
                r#"{{"policy":"{}","case":"{}","impl":"{}","threads":{threads},"ns":{:.2},"allocs":{:.3}}}"#,
                policy.name, case.name, cost.name, cost.ns, cost.allocs,
            )?;
        }
    }
    Ok(())
}

/// `2T/1T` is the throughput of two threads on one instance over that of one thread; `spread` is
/// how far half of the batches lie apart; `at once` is the share of batches that count, because
/// both threads had a core.
fn table(out: &mut impl Write, policy: &Policy, case: &Case, one: &[Cost], two: &[Cost]) -> io::Result<()> {
    let title = format!("{} / {}", policy.name, case.name);
    writeln!(
        out,
        "{title:<36} {:>9} {:>7} {:>9} {:>7} {:>8} {:>6} {:>7}",
        "1T ns", "spread", "2T ns", "spread", "at once", "2T/1T", "allocs",
    )?;
    for (one, two) in one.iter().zip(two) {
        writeln!(
            out,
            "  {:<34} {:>9.1} {:>6.1}% {:>9.1} {:>6.1}% {:>7.0}% {:>6.2} {:>7.2}",
            one.name,
            one.ns,
            one.spread * 100.0,
            two.ns,
            two.spread * 100.0,
            two.together * 100.0,
            2.0 * one.ns / two.ns,
            one.allocs,
        )?;
    }
    writeln!(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(arguments: &[&str]) -> Result<Options, String> {
        Options::parse(arguments.iter().map(ToString::to_string))
    }

    #[test]
    fn accepts_a_known_policy() {
        let options = parse(&["--json", "--policy", "timeout"]).expect("valid arguments");
        assert!(options.json);
        let wanted: Vec<_> =
            ALL.iter().filter(|policy| options.wants(policy)).map(|policy| policy.name).collect();
        assert_eq!(wanted, ["timeout"]);
    }

    #[test]
    fn refuses_what_it_does_not_know() {
        assert_eq!(parse(&["--jsno"]), Err("unknown argument `--jsno`".to_owned()));
        assert_eq!(parse(&["--policy"]), Err("--policy needs the name of a policy".to_owned()));
        let error = parse(&["--policy", "breaker"]).expect_err("no such policy");
        let known = error.strip_prefix("no policy `breaker`, there are: ").expect("it says which there are");
        assert!(known.split(", ").eq(ALL.iter().map(|policy| policy.name)), "{known}");
    }
}
