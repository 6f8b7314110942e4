//! The scale model's own rules, judged from the log alone.
