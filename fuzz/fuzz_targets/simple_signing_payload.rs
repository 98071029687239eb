#![no_main]

libfuzzer_sys::fuzz_target!(
    |data: &[u8]| layerhold_fuzz::targets::simple_signing_payload::run(data)
);
