//! The way to the machines of the run that is shown.

use std::{path::Path, time::Duration};

use crate::{watch::Reach, wire::Secret};

/// How long a person who pressed a button waits for a machine, for each of connecting, greeting and answering.
const PATIENCE: Duration = Duration::from_millis(1500);

/// The control connections of the run that is shown, once its folder is known.
#[derive(Debug)]
pub(super) struct Hands {
    secret: Option<Secret>,
    reach: Option<Reach>,
}

impl Hands {
    /// No connections yet. The secret is the run's, if it has one.
    pub(super) fn new(secret: Option<Secret>) -> Self {
        Self { secret, reach: None }
    }

    /// Those of the run in `folder`: the first folder that is named, since a page shows one run.
    pub(super) fn reach(&mut self, folder: &Path) -> &mut Reach {
        let secret = &self.secret;
        self.reach
            .get_or_insert_with(|| Reach::new(folder, secret.clone(), PATIENCE))
    }
}
