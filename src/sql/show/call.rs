//! Calls: those whose arguments stand between words, and all others by their name.

use super::{Binding, Showing, Shown, name};
use crate::model::DataType;
use crate::plan::{Expr, Function, JsonKind, JsonMissing, JsonOnError, TimeUnit, Wrapper};
use crate::sql::bind::function_name;

impl Showing<'_> {
    pub(super) fn call(&self, function: Function, arguments: &[Expr], data_type: DataType) -> Shown {
        let one = |index: usize| arguments.get(index).map(|argument| self.show(argument).text).unwrap_or_default();
        let condition = |text: String| Shown { text, binding: Binding::Condition };
        let sum =
            |index: usize| arguments.get(index).map(|argument| self.within(argument, Binding::Sum)).unwrap_or_default();
        let whole = |index: usize| {
            arguments.get(index).map(|argument| self.within(argument, Binding::Whole)).unwrap_or_default()
        };
        if let Some(text) = self.of_time(function, arguments, data_type) {
            return Shown::whole(text);
        }
        match function {
            Function::Concat if arguments.len() == 2 => {
                let text = format!("{} || {}", sum(0), self.within(&arguments[1], Binding::Product));
                Shown { text, binding: Binding::Sum }
            }
            Function::Trim | Function::TrimLeading | Function::TrimTrailing => {
                let side = match function {
                    Function::Trim => "BOTH",
                    Function::TrimLeading => "LEADING",
                    _ => "TRAILING",
                };
                Shown::whole(format!("TRIM({side} {} FROM {})", one(1), one(0)))
            }
            Function::Position => Shown::whole(format!("POSITION({} IN {})", sum(0), sum(1))),
            Function::Overlay => {
                let length = arguments.get(3).map(|length| format!(" FOR {}", self.show(length).text));
                let length = length.unwrap_or_default();
                Shown::whole(format!("OVERLAY({} PLACING {} FROM {}{length})", one(0), one(1), one(2)))
            }
            Function::Similar => {
                let escape = arguments.get(2).map(|escape| format!(" ESCAPE {}", self.show(escape).text));
                condition(format!("{} SIMILAR TO {}{}", sum(0), sum(1), escape.unwrap_or_default()))
            }
            Function::IsJson(kind) => {
                let kind = match kind {
                    JsonKind::Value => "VALUE",
                    JsonKind::Object => "OBJECT",
                    JsonKind::Array => "ARRAY",
                    JsonKind::Scalar => "SCALAR",
                };
                condition(format!("{} IS JSON {kind}", sum(0)))
            }
            // What a CAST to bytes of limited length is bound to.
            Function::Left | Function::Rpad if data_type == DataType::Bytes => {
                let word = if function == Function::Left { "VARBINARY" } else { "BINARY" };
                Shown::whole(format!("CAST({} AS {word}({}))", one(0), one(1)))
            }
            Function::ArrayOf => Shown::whole(format!("ARRAY[{}]", self.list(arguments))),
            Function::MapOf => Shown::whole(format!("MAP[{}]", self.list(arguments))),
            Function::RowOf => Shown::whole(format!("ROW({})", self.list(arguments))),
            Function::Item => Shown::whole(format!("{}[{}]", whole(0), one(1))),
            Function::Field(index) => {
                let field = match arguments.first().map(|row| row.data_type) {
                    Some(DataType::Row(fields)) => fields.get(index).map(|field| name(field.name)),
                    _ => None,
                };
                Shown::whole(format!("{}.{}", whole(0), field.unwrap_or_default()))
            }
            Function::JsonValue { .. }
            | Function::JsonQuery { .. }
            | Function::JsonExists(_)
            | Function::JsonObject { .. }
            | Function::JsonArray { .. } => Shown::whole(self.json(function, arguments, data_type)),
            Function::OnlyValue => Shown::whole(format!("the one {}", whole(1))),
            _ => {
                let name = function_name(function).map_or_else(|| format!("{function:?}"), str::to_owned);
                Shown::whole(format!("{name}({})", self.list(arguments)))
            }
        }
    }

    fn of_time(&self, function: Function, arguments: &[Expr], data_type: DataType) -> Option<String> {
        let list = self.list(arguments);
        Some(match function {
            Function::Extract(unit) => format!("EXTRACT({} FROM {list})", word(unit)),
            Function::FloorTo(unit) => format!("FLOOR({list} TO {})", word(unit)),
            Function::CeilTo(unit) => format!("CEIL({list} TO {})", word(unit)),
            Function::TimestampAdd(unit) => format!("TIMESTAMPADD({}, {list})", word(unit)),
            Function::TimestampDiff(unit) => format!("TIMESTAMPDIFF({}, {list})", word(unit)),
            Function::Elapsed => {
                let part = |index: usize, least| arguments.get(index).map(|time| self.within(time, least));
                let (end, start) = (part(0, Binding::Sum)?, part(1, Binding::Product)?);
                let unit = if data_type == DataType::IntervalMonths { "MONTH" } else { "SECOND" };
                format!("({end} - {start}) {unit}")
            }
            Function::CurrentTime => match data_type {
                DataType::Timestamp(_) => "LOCALTIMESTAMP".to_owned(),
                DataType::Date => "CURRENT_DATE".to_owned(),
                DataType::Time(_) => "CURRENT_TIME".to_owned(),
                _ => "CURRENT_TIMESTAMP".to_owned(),
            },
            _ => return None,
        })
    }

    fn json(&self, function: Function, arguments: &[Expr], data_type: DataType) -> String {
        let shown = |index: usize| arguments.get(index).map(|argument| self.show(argument).text).unwrap_or_default();
        let missing = |missing: JsonMissing, event: &str| match missing {
            JsonMissing::Null => String::new(),
            JsonMissing::Error => format!(" ERROR ON {event}"),
            JsonMissing::Default(argument) => format!(" DEFAULT {} ON {event}", shown(argument)),
            JsonMissing::EmptyArray => format!(" EMPTY ARRAY ON {event}"),
            JsonMissing::EmptyObject => format!(" EMPTY OBJECT ON {event}"),
        };
        let returning = if data_type == DataType::String { String::new() } else { format!(" RETURNING {data_type}") };
        let (text, path) = (shown(0), shown(1));
        match function {
            Function::JsonValue { on_empty, on_error } => {
                let (on_empty, on_error) = (missing(on_empty, "EMPTY"), missing(on_error, "ERROR"));
                format!("JSON_VALUE({text}, {path}{returning}{on_empty}{on_error})")
            }
            Function::JsonQuery { wrapper, on_empty, on_error } => {
                let wrapper = match wrapper {
                    Wrapper::Without => "",
                    Wrapper::Conditional => " WITH CONDITIONAL WRAPPER",
                    Wrapper::Always => " WITH UNCONDITIONAL WRAPPER",
                };
                let (on_empty, on_error) = (missing(on_empty, "EMPTY"), missing(on_error, "ERROR"));
                format!("JSON_QUERY({text}, {path}{returning}{wrapper}{on_empty}{on_error})")
            }
            Function::JsonExists(on_error) => {
                let on_error = match on_error {
                    JsonOnError::True => " TRUE ON ERROR",
                    JsonOnError::False => "",
                    JsonOnError::Unknown => " UNKNOWN ON ERROR",
                    JsonOnError::Error => " ERROR ON ERROR",
                };
                format!("JSON_EXISTS({text}, {path}{on_error})")
            }
            Function::JsonObject { absent_on_null } => {
                let pair = |pair: &[Expr]| match pair {
                    [key, value] => format!("{} VALUE {}", self.show(key).text, self.show(value).text),
                    _ => String::new(),
                };
                let pairs: Vec<String> = arguments.chunks(2).map(pair).collect();
                format!("JSON_OBJECT({}{})", pairs.join(", "), if absent_on_null { " ABSENT ON NULL" } else { "" })
            }
            Function::JsonArray { absent_on_null } => {
                format!("JSON_ARRAY({}{})", self.list(arguments), if absent_on_null { "" } else { " NULL ON NULL" })
            }
            _ => String::new(),
        }
    }
}

fn word(unit: TimeUnit) -> String {
    format!("{unit:?}").to_uppercase()
}
