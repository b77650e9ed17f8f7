//! `[gateway]`.

use std::path::PathBuf;

use super::super::names::{NAME_LENGTH_MAX, is_topic_char};
use super::super::problem::{Problems, Span};
use super::super::raw;
use super::super::read::{At, Field};
use super::super::settings::{Clock, Gateway};
use super::super::text::Text;
use super::{choose, missing};

const DATA_DIR: &str = "/var/lib/tidegate";
const ID_HELP: &str = "write id = \"gw-0042\": it becomes part of topics and of Kafka's transactional ids, so no two gateways may share one";

pub(super) fn check_gateway(raw: &Field<raw::Gateway>, problems: &mut Problems) -> Gateway {
    let empty = raw::Gateway::default();
    let (table, at) = raw.given().map_or((&empty, Span::default()), |given| (&given.value, given.key));
    match (raw, &table.id) {
        (Field::Missing, _) => problems.error(at, "there is no [gateway] table with an id", ID_HELP),
        (Field::Given(_), Field::Missing) => missing("id", "[gateway]", at, ID_HELP, problems),
        _ => {}
    }
    let data_dir = table.data_dir.given();
    if let Some(given) = data_dir.filter(|given| given.value.value.is_empty()) {
        problems.error(given.span, "data_dir is empty", format!("a directory, such as {DATA_DIR:?}"));
    }
    Gateway {
        id: table.id.given().map(|id| topic_safe("id", id, problems)).unwrap_or_default(),
        region: table.region.given().map(|region| topic_safe("region", region, problems)).unwrap_or_default(),
        data_dir: PathBuf::from(data_dir.map_or(DATA_DIR, |given| given.value.value.as_str())),
        clock: choose(
            &table.clock,
            "clock",
            Clock::Kernel,
            &[("kernel", Clock::Kernel), ("rtc", Clock::Rtc)],
            &[],
            problems,
        ),
    }
}

pub(super) fn check_log_level(raw: &Field<raw::Gateway>, problems: &mut Problems) -> log::LevelFilter {
    use log::LevelFilter::{Debug, Error, Info, Trace, Warn};
    let choices = [("error", Error), ("warn", Warn), ("info", Info), ("debug", Debug), ("trace", Trace)];
    let missing = Field::Missing;
    let field = raw.given().map_or(&missing, |given| &given.value.log);
    choose(field, "log", Info, &choices, &[], problems)
}

fn topic_safe(key: &str, text: &At<Text>, problems: &mut Problems) -> String {
    let value = &text.value.value;
    if value.is_empty() || value.len() > NAME_LENGTH_MAX || !value.chars().all(is_topic_char) {
        let message = format!("{key} cannot be {:?}", text.value.written);
        let help =
            format!("it goes into Kafka topics: letters, digits, \".\", \"_\" and \"-\", 1 to {NAME_LENGTH_MAX}");
        problems.error(text.span, message, help);
    }
    value.clone()
}
