//! Configuration text: settings, or problems that can be shown.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tidegate::config::{Outside, load};

fuzz_target!(|text: &str| {
    let variable = |name: &str| (name.len() < 3).then(|| "value".to_owned());
    let outside = Outside { variable: &variable, credential: &|_| Err("there is none".to_owned()) };
    if let Err(problems) = load(text, "tidegate.toml", outside) {
        assert!(!problems.is_empty());
        assert!(problems.iter().all(|problem| problem.to_string().starts_with("tidegate.toml")));
    }
});
