//! Functions that show numbers and bytes as text: hexadecimal, base64, hashes.

use std::fmt::Write;

use base64::Engine;
use md5::Digest;

use super::compile::Compiler;
use super::typed::{Eval, Int, Str, Text, unary};
use crate::plan::{Expr, Function};

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
    let convert: fn(&str) -> Option<String> = match function {
        Function::Hex => |text| Some(hex(text.as_bytes()).to_uppercase()),
        Function::ToBase64 => |text| Some(base64::engine::general_purpose::STANDARD.encode(text)),
        Function::FromBase64 => |text| {
            let bytes = base64::engine::general_purpose::STANDARD.decode(text).ok()?;
            Some(String::from_utf8_lossy(&bytes).into_owned())
        },
        Function::Md5 => |text| Some(hex(&md5::Md5::digest(text))),
        Function::Sha256 => |text| Some(hex(&sha2::Sha256::digest(text))),
        _ => return None,
    };
    Some(unary(compiler.compile::<Str>(argument), move |text| Ok(convert(&text).map(Text::Made))))
}

fn hex(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        // Writing into a String cannot fail.
        let _ = write!(out, "{byte:02x}");
    }
    out
}
