//! A run, watched: its logs followed into a scene, and how far behind the scene is.
#![allow(
    clippy::disallowed_methods,
    reason = "how far behind a view is can only be said by the clock"
)]

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use chrono::Utc;

use super::{
    follow::{Follower, News, What},
    scene::Scene,
};
use crate::trace::WallTime;

/// Follows one run, which need not be there yet.
#[derive(Debug)]
pub struct Eyes {
    /// The folder as it was named: it may be a link to the newest run, and lead elsewhere later.
    asked: PathBuf,
    /// When the watching began: what was written before is no news, and says nothing of a lag.
    began: WallTime,
    follower: Option<Follower>,
    scene: Scene,
    news: Vec<News>,
    lag: Lag,
}

/// How long lines had been written when they were read: the oldest line of the last look that brought any. Lines
/// that were there before the watching began do not count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Lag {
    /// Now, in microseconds; `None` before a line was read that counts.
    pub us: Option<u64>,
    /// The most there was, in microseconds.
    pub us_max: u64,
    /// All that was there when the watching began was read.
    pub caught_up: bool,
}

impl Eyes {
    /// Will watch the run in `folder`.
    #[must_use]
    pub fn new(folder: &Path) -> Self {
        Self {
            asked: folder.to_owned(),
            began: Self::now(),
            follower: None,
            scene: Scene::default(),
            news: Vec::new(),
            lag: Lag::default(),
        }
    }

    /// The wall clock.
    #[must_use]
    pub fn now() -> WallTime {
        WallTime(Utc::now().timestamp_micros())
    }

    /// Reads what is new; returns whether anything was, and whether more waits to be read.
    ///
    /// # Errors
    /// What the system says of the folder or a log; a run that is not there yet is no error.
    pub fn look(&mut self) -> io::Result<Seen> {
        if self.follower.is_none() {
            // A link is followed once: the run that is watched stays the same when a newer one begins.
            match fs::canonicalize(&self.asked) {
                Ok(folder) => self.follower = Some(Follower::new(&folder)),
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Seen::Nothing),
                Err(error) => return Err(error),
            }
        }
        let Some(follower) = &mut self.follower else {
            return Ok(Seen::Nothing);
        };
        let more = follower.look(&mut self.news)?;
        let now = Self::now();
        let mut oldest: Option<WallTime> = None;
        let seen = match (self.news.is_empty(), more) {
            (_, true) => Seen::More,
            (true, false) => Seen::Nothing,
            (false, false) => Seen::News,
        };
        for news in self.news.drain(..) {
            if let What::Record { at, .. } = &news.what
                && *at >= self.began
            {
                oldest = Some(oldest.map_or(*at, |oldest| oldest.min(*at)));
            }
            self.scene.take(news);
        }
        if let Some(oldest) = oldest {
            let us = u64::try_from(now.us_since(oldest)).unwrap_or(0);
            self.lag.us = Some(us);
            self.lag.us_max = self.lag.us_max.max(us);
        }
        self.lag.caught_up |= !more && !self.scene.machines().is_empty();
        Ok(seen)
    }

    /// What is known of the run.
    #[must_use]
    pub fn scene(&self) -> &Scene {
        &self.scene
    }

    /// How far behind that is.
    #[must_use]
    pub fn lag(&self) -> Lag {
        self.lag
    }

    /// The run's folder: as it was named while it is not there, else where it is.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.follower.as_ref().map_or(&self.asked, Follower::folder)
    }

    /// The folder of another run, to which the link that was named leads by now.
    #[must_use]
    pub fn newer(&self) -> Option<PathBuf> {
        let now = fs::canonicalize(&self.asked).ok()?;
        let follower = self.follower.as_ref()?;
        (now != follower.folder()).then_some(now)
    }

    /// Leaves the run for the one to which the link that was named leads now.
    pub fn go_to_newer(&mut self) {
        *self = Self::new(&self.asked);
    }
}

/// What a look brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seen {
    /// Nothing new.
    Nothing,
    /// News, all there is.
    News,
    /// News, and more to be read at once.
    More,
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    fn write_log(folder: &Path, run: &str, events: u64) {
        fs::create_dir_all(folder).unwrap();
        let mut text = format!(
            "# clocklab-log 1\n# machine=0 machines=1 clock=lamport seed=1 run={run} started=2026-11-20T23:16:01.000000Z\n"
        );
        for tick in 1..=events {
            text += &format!("2026-11-20T23:16:01.{tick}00000Z internal tick={tick} clock={tick}\n");
        }
        fs::write(folder.join("machine-0.log"), text).unwrap();
    }

    #[test]
    fn a_run_that_comes_later_is_seen_and_a_newer_one_is_not_mixed_in() {
        let logs = tempfile::tempdir().unwrap();
        let latest = logs.path().join("latest");
        let mut eyes = Eyes::new(&latest);
        assert_eq!(eyes.look().unwrap(), Seen::Nothing);
        assert_eq!((eyes.folder(), eyes.newer()), (latest.as_path(), None));
        write_log(&logs.path().join("first"), "first", 3);
        symlink("first", &latest).unwrap();
        assert_eq!(eyes.look().unwrap(), Seen::News);
        assert_eq!((eyes.scene().events(), eyes.newer()), (3, None));
        let lag = eyes.lag();
        assert!(
            lag.caught_up && lag.us.is_none() && lag.us_max == 0,
            "what was there is not late: {lag:?}"
        );
        let log = logs.path().join("first/machine-0.log");
        let text = fs::read_to_string(&log).unwrap();
        let fresh = chrono::Utc::now().format("%Y-%m-%dT%H:%M:%S%.6fZ");
        fs::write(&log, format!("{text}{fresh} internal tick=4 clock=4\n")).unwrap();
        assert_eq!(eyes.look().unwrap(), Seen::News);
        assert!(
            eyes.lag().us.is_some_and(|us| us == eyes.lag().us_max),
            "{:?}",
            eyes.lag()
        );
        write_log(&logs.path().join("second"), "second", 5);
        fs::remove_file(&latest).unwrap();
        symlink("second", &latest).unwrap();
        assert_eq!(eyes.look().unwrap(), Seen::Nothing);
        assert!(eyes.newer().is_some_and(|folder| folder.ends_with("second")));
        eyes.go_to_newer();
        assert_eq!(eyes.look().unwrap(), Seen::News);
        assert_eq!(eyes.scene().events(), 5);
        assert_eq!(
            eyes.scene().run().map(ToString::to_string).as_deref(),
            Some("second")
        );
    }
}
