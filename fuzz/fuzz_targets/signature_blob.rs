#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| layerhold_fuzz::targets::signature_blob::run(data));
