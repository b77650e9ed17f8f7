//! Arrays, maps and rows: constructors, access, and the functions over them.
//!
//! <https://nightlies.apache.org/flink/flink-docs-stable/docs/dev/table/functions/systemfunctions/#collection-functions>

use super::expr::{Bound, ExprBinder, call, coerce, null};
use super::types;
use crate::model::{DataType, Field};
use crate::plan::{self, Function};
use crate::sql::ast;
use crate::sql::span::{Problem, Span, nearest};

/// Functions by name: arguments at least, at most, how it is written.
#[rustfmt::skip]
const FUNCTIONS: [(&str, Function, usize, usize, &str); 26] = [
    ("CARDINALITY", Function::Cardinality, 1, 1, "CARDINALITY(array or map)"),
    ("ELEMENT", Function::Element, 1, 1, "ELEMENT(array)"),
    ("ARRAY_APPEND", Function::ArrayAppend, 2, 2, "ARRAY_APPEND(array, element)"),
    ("ARRAY_PREPEND", Function::ArrayPrepend, 2, 2, "ARRAY_PREPEND(array, element)"),
    ("ARRAY_REMOVE", Function::ArrayRemove, 2, 2, "ARRAY_REMOVE(array, element)"),
    ("ARRAY_CONTAINS", Function::ArrayContains, 2, 2, "ARRAY_CONTAINS(array, element)"),
    ("ARRAY_POSITION", Function::ArrayPosition, 2, 2, "ARRAY_POSITION(array, element)"),
    ("ARRAY_CONCAT", Function::ArrayConcat, 1, usize::MAX, "ARRAY_CONCAT(array, ...)"),
    ("ARRAY_UNION", Function::ArrayUnion, 2, 2, "ARRAY_UNION(array, array)"),
    ("ARRAY_EXCEPT", Function::ArrayExcept, 2, 2, "ARRAY_EXCEPT(array, array)"),
    ("ARRAY_INTERSECT", Function::ArrayIntersect, 2, 2, "ARRAY_INTERSECT(array, array)"),
    ("ARRAY_DISTINCT", Function::ArrayDistinct, 1, 1, "ARRAY_DISTINCT(array)"),
    ("ARRAY_REVERSE", Function::ArrayReverse, 1, 1, "ARRAY_REVERSE(array)"),
    ("ARRAY_SLICE", Function::ArraySlice, 2, 3, "ARRAY_SLICE(array, start [, end])"),
    ("ARRAY_SORT", Function::ArraySort, 1, 3, "ARRAY_SORT(array [, ascending [, nulls first]])"),
    ("ARRAY_MAX", Function::ArrayMax, 1, 1, "ARRAY_MAX(array)"),
    ("ARRAY_MIN", Function::ArrayMin, 1, 1, "ARRAY_MIN(array)"),
    ("ARRAY_JOIN", Function::ArrayJoin, 2, 3, "ARRAY_JOIN(array, delimiter [, text for NULL])"),
    ("MAP_KEYS", Function::MapKeys, 1, 1, "MAP_KEYS(map)"),
    ("MAP_VALUES", Function::MapValues, 1, 1, "MAP_VALUES(map)"),
    ("MAP_ENTRIES", Function::MapEntries, 1, 1, "MAP_ENTRIES(map)"),
    ("MAP_FROM_ARRAYS", Function::MapFromArrays, 2, 2, "MAP_FROM_ARRAYS(keys, values)"),
    ("MAP_UNION", Function::MapUnion, 1, usize::MAX, "MAP_UNION(map, ...)"),
    ("STR_TO_MAP", Function::StrToMap, 1, 3, "STR_TO_MAP(text [, between entries, between key and value])"),
    ("SPLIT", Function::Split, 2, 2, "SPLIT(text, separator)"),
    ("REGEXP_EXTRACT_ALL", Function::RegexpExtractAll, 2, 3, "REGEXP_EXTRACT_ALL(text, pattern [, group])"),
];

/// For suggestions.
pub fn names() -> impl Iterator<Item = &'static str> {
    FUNCTIONS.iter().map(|(name, ..)| *name)
}

pub fn name_of(function: Function) -> Option<&'static str> {
    FUNCTIONS.iter().find(|(_, known, ..)| *known == function).map(|(name, ..)| *name)
}

impl ExprBinder<'_> {
    /// One of the functions here. `None`: it is none of them.
    pub(super) fn collection(
        &mut self,
        upper: &str,
        arguments: &[ast::Expr],
        written: &ast::Call,
        span: Span,
    ) -> Option<Bound> {
        let (_, function, least, most, signature) = FUNCTIONS.iter().find(|(name, ..)| *name == upper)?;
        if !(*least..=*most).contains(&arguments.len()) {
            return Some(self.wrong_count(written, span, arguments.len(), signature));
        }
        Some(self.collection_call(*function, upper, arguments))
    }

    fn collection_call(&mut self, function: Function, name: &str, arguments: &[ast::Expr]) -> Bound {
        use Function as F;
        match function {
            F::ArrayAppend | F::ArrayPrepend | F::ArrayRemove | F::ArrayContains | F::ArrayPosition => {
                self.array_and_element(function, name, arguments)
            }
            F::ArrayConcat | F::ArrayUnion | F::ArrayExcept | F::ArrayIntersect => {
                let (arrays, data_type) =
                    self.alike(arguments, name, "an ARRAY", |t| matches!(t, DataType::Array(_)))?;
                Ok(call(function, arrays, data_type))
            }
            F::MapUnion => {
                let (maps, data_type) = self.alike(arguments, name, "a MAP", |t| matches!(t, DataType::Map(_)))?;
                Ok(call(function, maps, data_type))
            }
            F::StrToMap | F::Split | F::RegexpExtractAll => self.over_text(function, name, arguments),
            F::MapFromArrays => {
                let (keys, values) = (self.array(&arguments[0], name), self.array(&arguments[1], name));
                let ((keys, key), (values, value)) = (keys?, values?);
                Ok(call(function, vec![keys, values], DataType::map_of(key, value)))
            }
            F::MapKeys | F::MapValues | F::MapEntries => {
                let (map, key, value) = self.map(&arguments[0], name)?;
                let element = match function {
                    F::MapKeys => key,
                    F::MapValues => value,
                    _ => DataType::row_of([("key", key), ("value", value)]),
                };
                Ok(call(function, vec![map], DataType::array_of(element)))
            }
            F::Cardinality => {
                let bound = self.bind(&arguments[0])?;
                match bound.data_type {
                    DataType::Array(_) | DataType::Map(_) => Ok(call(function, vec![bound], DataType::Int)),
                    other => self.not_a(&arguments[0], name, "an ARRAY or a MAP", other),
                }
            }
            _ => self.of_one_array(function, name, arguments),
        }
    }

    fn of_one_array(&mut self, function: Function, name: &str, arguments: &[ast::Expr]) -> Bound {
        use Function as F;
        let (array, element) = self.array(&arguments[0], name)?;
        if matches!(function, F::ArraySort | F::ArrayMax | F::ArrayMin) && element.is_nested() {
            return self.not_a(&arguments[0], name, "an ARRAY whose elements have an order", array.data_type);
        }
        if function == F::ArrayJoin && element != DataType::String {
            return self.not_a(&arguments[0], name, "an ARRAY<STRING>", array.data_type);
        }
        let data_type = match function {
            F::Element | F::ArrayMax | F::ArrayMin => element,
            F::ArrayJoin => DataType::String,
            _ => array.data_type,
        };
        let mut bound = vec![array];
        for argument in &arguments[1..] {
            bound.push(match function {
                F::ArraySlice => self.whole_number(argument, name)?,
                F::ArraySort => self.boolean(argument, name)?,
                _ => self.text(argument, name)?,
            });
        }
        Ok(call(function, bound, data_type))
    }

    fn over_text(&mut self, function: Function, name: &str, arguments: &[ast::Expr]) -> Bound {
        let mut bound = vec![self.text(&arguments[0], name)];
        for (index, argument) in arguments[1..].iter().enumerate() {
            let is_group = function == Function::RegexpExtractAll && index == 1;
            bound.push(if is_group { self.whole_number(argument, name) } else { self.text(argument, name) });
        }
        let bound = bound.into_iter().collect::<Bound<Vec<plan::Expr>>>()?;
        let data_type = match function {
            Function::StrToMap => DataType::map_of(DataType::String, DataType::String),
            _ => DataType::array_of(DataType::String),
        };
        Ok(call(function, bound, data_type))
    }

    pub(super) fn whole_number(&mut self, argument: &ast::Expr, what: &str) -> Bound {
        let bound = self.bind(argument)?;
        match bound.data_type {
            t if t.is_integer() => Ok(coerce(bound, DataType::Int)),
            DataType::Null => Ok(null(DataType::Int)),
            other => self.not_a(argument, what, "a whole number", other),
        }
    }

    fn not_a<T>(&mut self, argument: &ast::Expr, name: &str, wanted: &str, found: DataType) -> Bound<T> {
        self.fail(Problem::new(argument.span, format!("{name} needs {wanted} here, not {found}")))
    }

    fn array(&mut self, argument: &ast::Expr, name: &str) -> Bound<(plan::Expr, DataType)> {
        let bound = self.bind(argument)?;
        match bound.data_type {
            DataType::Array(element) => Ok((bound, *element)),
            other => self.not_a(argument, name, "an ARRAY", other),
        }
    }

    fn map(&mut self, argument: &ast::Expr, name: &str) -> Bound<(plan::Expr, DataType, DataType)> {
        let bound = self.bind(argument)?;
        match bound.data_type {
            DataType::Map(entry) => Ok((bound, entry.key, entry.value)),
            other => self.not_a(argument, name, "a MAP", other),
        }
    }

    /// An array and an element, which becomes of the type of those there are.
    fn array_and_element(&mut self, function: Function, name: &str, arguments: &[ast::Expr]) -> Bound {
        let (array, element) = (self.array(&arguments[0], name), self.bind(&arguments[1]));
        let ((array, of), element) = (array?, element?);
        if types::common(of, element.data_type) != Some(of) {
            return self.not_a(&arguments[1], name, &of.to_string(), element.data_type);
        }
        let data_type = match function {
            Function::ArrayContains => DataType::Boolean,
            Function::ArrayPosition => DataType::Int,
            _ => array.data_type,
        };
        Ok(call(function, vec![array, coerce(element, of)], data_type))
    }

    /// Arguments of one kind, brought to the type that holds them all.
    fn alike(
        &mut self,
        arguments: &[ast::Expr],
        name: &str,
        wanted: &str,
        is_one: impl Fn(DataType) -> bool,
    ) -> Bound<(Vec<plan::Expr>, DataType)> {
        let (bound, data_type) = self.common_arguments(arguments, name)?;
        if !is_one(data_type) {
            return self.not_a(&arguments[0], name, wanted, data_type);
        }
        Ok((bound, data_type))
    }

    /// `ARRAY[a, b, …]`
    pub(super) fn array_of(&mut self, parts: &[ast::Expr], span: Span) -> Bound {
        if parts.is_empty() {
            return self.fail(
                Problem::new(span, "an ARRAY needs an element, or its type is not known")
                    .help("of NULL: CAST(NULL AS ARRAY<INT>)"),
            );
        }
        let (bound, element) = self.common_arguments(parts, "ARRAY")?;
        if element == DataType::Null {
            return self.fail(
                Problem::new(span, "the type of the elements is not known")
                    .help("give one of them a type: CAST(NULL AS INT)"),
            );
        }
        Ok(call(Function::ArrayOf, bound, DataType::array_of(element)))
    }

    /// `MAP[key, value, …]`
    pub(super) fn map_of(&mut self, parts: &[ast::Expr], span: Span) -> Bound {
        if parts.is_empty() || parts.len() % 2 == 1 {
            return self.fail(
                Problem::new(span, "a MAP is made of pairs: a key, its value, and so on")
                    .help("for example MAP['low', 1, 'high', 2]"),
            );
        }
        let keys: Vec<&ast::Expr> = parts.iter().step_by(2).collect();
        let values: Vec<&ast::Expr> = parts.iter().skip(1).step_by(2).collect();
        let (keys, values) = (self.common_of(&keys, "the keys of MAP"), self.common_of(&values, "the values of MAP"));
        let ((keys, key), (values, value)) = (keys?, values?);
        if key == DataType::Null || value == DataType::Null {
            return self.fail(
                Problem::new(span, "the type of the keys or of the values is not known")
                    .help("give one of them a type: CAST(NULL AS INT)"),
            );
        }
        let entries = keys.into_iter().zip(values).flat_map(|(key, value)| [key, value]).collect();
        Ok(call(Function::MapOf, entries, DataType::map_of(key, value)))
    }

    fn common_of(&mut self, parts: &[&ast::Expr], what: &str) -> Bound<(Vec<plan::Expr>, DataType)> {
        let bound: Vec<Bound> = parts.iter().map(|part| self.bind(part)).collect();
        let bound = bound.into_iter().collect::<Bound<Vec<plan::Expr>>>()?;
        let found: Vec<(DataType, Span)> =
            bound.iter().zip(parts).map(|(bound, part)| (bound.data_type, part.span)).collect();
        let data_type = self.common_type(&found, what)?;
        Ok((bound.into_iter().map(|part| coerce(part, data_type)).collect(), data_type))
    }

    /// `ROW(a, b)` or `(a, b)`, its fields called EXPR$0, EXPR$1 …
    pub(super) fn row_of(&mut self, parts: &[ast::Expr]) -> Bound {
        let bound: Vec<Bound> = parts.iter().map(|part| self.bind(part)).collect();
        let bound = bound.into_iter().collect::<Bound<Vec<plan::Expr>>>()?;
        let names: Vec<String> = (0..bound.len()).map(|index| format!("EXPR${index}")).collect();
        let fields = names.iter().map(String::as_str).zip(bound.iter().map(|part| part.data_type));
        let data_type = DataType::row_of(fields);
        Ok(call(Function::RowOf, bound, data_type))
    }

    /// `array[index]` and `map[key]`
    pub(super) fn item(&mut self, operand: &ast::Expr, index: &ast::Expr, span: Span) -> Bound {
        let (bound, key) = (self.bind(operand), self.bind(index));
        let (bound, key) = (bound?, key?);
        match bound.data_type {
            DataType::Array(element) => {
                if !key.data_type.is_integer() && key.data_type != DataType::Null {
                    let message = format!("an element is named by its number, from 1, not by {}", key.data_type);
                    return self.fail(Problem::new(index.span, message));
                }
                if matches!(super::calls::constant_int(&key), Some(..=0)) {
                    return self.fail(Problem::new(index.span, "the first element has the number 1"));
                }
                Ok(call(Function::Item, vec![bound, coerce(key, DataType::Int)], *element))
            }
            DataType::Map(entry) => {
                if types::common(entry.key, key.data_type) != Some(entry.key) {
                    let message = format!("the keys of this map are {}, not {}", entry.key, key.data_type);
                    return self.fail(Problem::new(index.span, message));
                }
                Ok(call(Function::Item, vec![bound, coerce(key, entry.key)], entry.value))
            }
            DataType::Row(_) => {
                let problem = Problem::new(span, "a ROW has no numbered elements");
                self.fail(problem.help("a field of it is written after a point: row.field"))
            }
            other => self.fail(
                Problem::new(operand.span, format!("{other} has no elements"))
                    .help("[ ] takes an element of an ARRAY or a value of a MAP"),
            ),
        }
    }

    /// `row.field`
    pub(super) fn field(&mut self, row: plan::Expr, at: Span, field: &ast::Ident) -> Bound {
        let DataType::Row(fields) = row.data_type else {
            let problem = Problem::new(at, format!("{} has no fields", row.data_type));
            return self.fail(match row.data_type {
                DataType::Map(_) => problem.help(format!("a value of a MAP is written map['{}']", field.name)),
                DataType::String => {
                    problem.help(format!("a text with JSON is read by JSON_VALUE(text, '$.{}')", field.name))
                }
                _ => problem.help("only a ROW has"),
            });
        };
        match fields.iter().position(|known| known.name == field.name) {
            Some(index) => Ok(call(Function::Field(index), vec![row], fields[index].data_type)),
            None => {
                let problem = Problem::new(field.span, format!("the row has no field {}", field.name));
                let names: Vec<&str> = fields.iter().map(|Field { name, .. }| *name).collect();
                self.fail(match nearest(&field.name, names.iter().copied()) {
                    Some(near) => problem.help(format!("did you mean {near}?")),
                    None => problem.help(format!("its fields are {}", names.join(", "))),
                })
            }
        }
    }

    /// A name with a point in it whose first part is no table: a field of a column.
    pub(super) fn field_of_column(&mut self, column: &ast::Ident, field: &ast::Ident) -> Option<Bound> {
        let mut found = self.scope.columns.iter().enumerate().filter(|(_, known)| *known.name == *column.name);
        let (index, known) = found.next()?;
        let is_row = matches!(known.data_type, DataType::Row(_));
        if found.next().is_some() || !is_row {
            return None;
        }
        let row = plan::Expr::column(index, known.data_type);
        Some(self.field(row, column.span, field))
    }
}
