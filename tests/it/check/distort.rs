//! Logs as other programs and other hosts would have written them: wrong clock rules, wall clocks that differ.

/// The clocks of a generated run, made again as a wrong reading of the rule would make them.
pub(super) fn misread(
    logs: &[String],
    wrong: usize,
    stamp_early: bool,
    merge: fn(u64, u64) -> u64,
) -> Vec<String> {
    let field = |line: &str, key: &str| -> Option<String> {
        line.split(' ')
            .find_map(|word| word.strip_prefix(key))
            .map(str::to_owned)
    };
    // By (machine, clock in the generated run): the clock by the wrong rule.
    let mut clocks = vec![0_u64; logs.len()];
    let mut renamed = std::collections::BTreeMap::new();
    let mut lines: Vec<(String, usize, usize)> = Vec::new();
    for (machine, log) in logs.iter().enumerate() {
        for (number, line) in log.lines().enumerate().filter(|(_, line)| !line.starts_with('#')) {
            lines.push((line.to_owned(), machine, number));
        }
    }
    lines.sort_by_key(|(line, machine, number)| (line[..27].to_owned(), *machine, *number));
    let mut changed: Vec<Vec<String>> = logs
        .iter()
        .map(|log| log.lines().map(str::to_owned).collect())
        .collect();
    for (line, machine, number) in lines {
        let clock = field(&line, "clock=").unwrap();
        let own = clocks[machine];
        let mut new = line.replace(&format!(" clock={clock}"), " clock=@");
        clocks[machine] = match field(&line, "sent=") {
            None => own + 1,
            Some(sent) => {
                let from: usize = field(&line, "from=").unwrap().parse().unwrap();
                let send: u64 = renamed[&(from, sent.clone())];
                let carried = if stamp_early && from == wrong {
                    send - 1
                } else {
                    send
                };
                new = new.replace(&format!(" sent={sent}"), &format!(" sent={carried}"));
                if machine == wrong {
                    merge(own, carried)
                } else {
                    own.max(carried) + 1
                }
            }
        };
        renamed.insert((machine, clock), clocks[machine]);
        changed[machine][number] = new.replace('@', &clocks[machine].to_string());
    }
    changed.into_iter().map(|lines| lines.join("\n") + "\n").collect()
}

/// A log as a host would have written it whose wall clock is `us` ahead.
pub(super) fn skewed(log: &str, us: i64) -> String {
    let mut times = clocklab::trace::TimeText::default();
    let mut moved = |text: &str| {
        let at = times.parse(text.as_bytes()).unwrap();
        clocklab::trace::WallTime(at.0 + us).to_string()
    };
    let mut output = String::new();
    for line in log.lines() {
        let words: Vec<String> = line
            .split(' ')
            .map(|word| match word.rsplit_once('=') {
                Some((key @ ("started" | "ended"), time)) => format!("{key}={}", moved(time)),
                _ if word.len() == 27 && word.ends_with('Z') => moved(word),
                _ => word.to_owned(),
            })
            .collect();
        output += &(words.join(" ") + "\n");
    }
    output
}
