//! What lies in the store's blocks, damaged: rows of records, and records on their way out.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tidegate::delivery::RecordRef;
use tidegate::store::Records;

fuzz_target!(|bytes: &[u8]| {
    let records = Records { count: 0, bytes: bytes.to_vec() };
    let mut again = Records::default();
    for record in records.iter() {
        again.push(record);
        if let Ok(read) = RecordRef::decode(record) {
            let mut written = Vec::new();
            read.to_owned().encode(&mut written);
            assert_eq!(RecordRef::decode(&written), Ok(read));
        }
    }
    assert_eq!(again.iter().count(), records.iter().count());
    tidegate::store::fuzzing::unpack(bytes);
});
