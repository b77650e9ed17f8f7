//! The configuration as people meet it: wrong files with their messages, the example, and damaged files.

#[path = "config/example.rs"]
mod example;
#[path = "config/golden.rs"]
mod golden;
#[path = "config/right.rs"]
mod right;

use tidegate::config::{Outside, Problem, Settings, load};

/// Loads with a small, fixed environment.
fn load_text(text: &str, file_name: &str) -> Result<Settings, Vec<Problem>> {
    let variable = |name: &str| match name {
        "REGION" => Some("eu-west".to_owned()),
        "LATE" => Some("five seconds".to_owned()),
        _ => None,
    };
    let credential = |name: &str| match name {
        "kafka_password" => Ok("s3cret".to_owned()),
        _ => Err(format!("the credential {name} cannot be read: No such file or directory (os error 2)")),
    };
    load(text, file_name, Outside { variable: &variable, credential: &credential })
}
