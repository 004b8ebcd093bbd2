//! What a component may be made of, counted before it is compiled: compiling takes time and memory for every function.

use wasmparser::{Parser, Payload};

/// The most functions of a component, in all of its modules. An interpreter with its library has some 20 000.
const FUNCTIONS: u64 = 60_000;
/// The largest body of one function, in bytes: the compiler's time grows faster than the body.
const BODY: usize = 1 << 20;
/// The most code, in bytes.
const CODE: u64 = 64 << 20;
/// The most modules and components within a component.
const PARTS: u64 = 200;

/// Checks a component against the bounds.
///
/// # Errors
/// What is too much, to stand behind its path; or that it cannot be read.
pub(super) fn check(bytes: &[u8]) -> Result<(), String> {
    let (mut functions, mut code, mut parts) = (0_u64, 0_u64, 0_u64);
    for payload in Parser::new(0).parse_all(bytes) {
        match payload.map_err(|error| format!("is a damaged WebAssembly component: {error}"))? {
            Payload::CodeSectionStart { count, size, .. } => {
                functions += u64::from(count);
                code += u64::from(size);
            }
            Payload::CodeSectionEntry(body) => {
                let length = body.range().len();
                if length > BODY {
                    return Err(format!(
                        "has a function of {length} bytes; {BODY} are the most"
                    ));
                }
            }
            Payload::ModuleSection { .. } | Payload::ComponentSection { .. } => parts += 1,
            _ => {}
        }
        for (number, most, what) in [
            (functions, FUNCTIONS, "functions"),
            (code, CODE, "bytes of code"),
            (parts, PARTS, "modules and components within it"),
        ] {
            if number > most {
                return Err(format!("has {number} {what}; {most} are the most"));
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_component_of_very_many_functions_is_refused_before_it_is_compiled() {
        let module = |count: u32| {
            use wasm_encoder::{
                CodeSection, Component, Function, FunctionSection, Module, ModuleSection,
                TypeSection,
            };
            let mut types = TypeSection::new();
            types.ty().function([], []);
            let (mut functions, mut code) = (FunctionSection::new(), CodeSection::new());
            for _ in 0..count {
                functions.function(0);
                let mut body = Function::new([]);
                body.instructions().end();
                code.function(&body);
            }
            let mut module = Module::new();
            module.section(&types).section(&functions).section(&code);
            let mut component = Component::new();
            component.section(&ModuleSection(&module));
            component.finish()
        };
        assert_eq!(check(&module(1_000)), Ok(()));
        let refused = check(&module(400_000)).expect_err("refused");
        assert!(refused.contains("400000 functions"), "{refused}");
    }
}
