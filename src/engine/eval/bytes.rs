//! Functions that show numbers and bytes as text: hexadecimal and base64.

use std::fmt::Write;

use super::compile::Compiler;
use super::typed::{Answer, Blob, Eval, Int, Str, Text, unary};
use super::{Reason, excerpt};
use crate::model::DataType;
use crate::plan::{Expr, Function};
use base64::Engine;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig, general_purpose};

pub fn text(compiler: &mut Compiler<'_>, function: Function, arguments: &[Expr]) -> Option<Eval<Str>> {
    let [argument] = arguments else { return None };
    if argument.data_type.is_integer() {
        let show: fn(i64) -> String = match function {
            Function::Bin => |number| format!("{number:b}"),
            Function::Hex => |number| format!("{number:X}"),
            _ => return None,
        };
        return Some(unary(compiler.compile::<Int>(argument), move |number| Ok(Some(Text::Made(show(number))))));
    }
    if function == Function::ToBase64 && argument.data_type == DataType::Bytes {
        let encode = |bytes: std::sync::Arc<[u8]>| Ok(Some(Text::Made(general_purpose::STANDARD.encode(bytes))));
        return Some(unary(compiler.compile::<Blob>(argument), encode));
    }
    if function == Function::FromBase64 {
        return Some(unary(compiler.compile::<Str>(argument), from_base64));
    }
    let convert: fn(&str) -> String = match function {
        Function::Hex => |text| hex(text.as_bytes()).to_uppercase(),
        Function::ToBase64 => |text| general_purpose::STANDARD.encode(text),
        _ => return None,
    };
    Some(unary(compiler.compile::<Str>(argument), move |text| Ok(Some(Text::Made(convert(&text))))))
}

/// As Java's basic decoder: padding may be missing, anything else foreign is an error.
fn from_base64(text: Text) -> Answer<Text> {
    let padding =
        if text.ends_with('=') { DecodePaddingMode::RequireCanonical } else { DecodePaddingMode::RequireNone };
    let config = GeneralPurposeConfig::new().with_decode_padding_mode(padding).with_decode_allow_trailing_bits(true);
    match GeneralPurpose::new(&base64::alphabet::STANDARD, config).decode(text.as_bytes()) {
        Ok(bytes) => Ok(Some(Text::Made(String::from_utf8_lossy(&bytes).into_owned()))),
        Err(error) => {
            let (value, why) = (excerpt(&text), error.to_string());
            Err(Reason::Argument { function: "FROM_BASE64", value, why }.into())
        }
    }
}

fn hex(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        // Writing into a String cannot fail.
        let _ = write!(out, "{byte:02x}");
    }
    out
}
