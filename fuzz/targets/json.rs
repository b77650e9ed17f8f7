//! JSON payloads of every column type: a row or a reason; and what was read is written as JSON again.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use tidegate::config::{Outside, load};
use tidegate::formats::JsonEncoder;
use tidegate::sources::decode::Decoder;

const CONFIGURATION: &str = r#"
[gateway]
id = "fuzz"
region = "here"
data_dir = "/nonexistent"

[source.typed]
mqtt = "typed/{device}"
format = "json"
schema = "i INT, b BIGINT, d DOUBLE, o BOOLEAN, s STRING, t TIMESTAMP(3), ts TIMESTAMP_LTZ(3), y BYTES, n STRING"
event_time = "ts"
fields = { n = "nested.path.to" }
"#;

static TYPED: LazyLock<(Decoder, JsonEncoder)> = LazyLock::new(|| {
    let outside = Outside { variable: &|_| None, credential: &|_| Err("none".to_owned()) };
    let settings = load(CONFIGURATION, "fuzz.toml", outside).expect("a right configuration");
    let source = &settings.sources[0];
    (Decoder::new(source), JsonEncoder::new(&source.schema.columns))
});

fuzz_target!(|payload: &[u8]| {
    let (decoder, encoder) = &*TYPED;
    match decoder.decode(&["device".into()], payload, 1_700_000_000_000) {
        Ok(row) => {
            let mut text = String::new();
            encoder.encode(&row, &mut text);
            serde_json::from_str::<serde_json::Value>(&text).expect("what we write is JSON");
        }
        Err(reason) => assert!(!reason.is_empty()),
    }
});
