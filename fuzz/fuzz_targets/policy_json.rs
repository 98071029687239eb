#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| layerhold_fuzz::targets::policy_json::run(data));
