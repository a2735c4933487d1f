//! Public points of Ed25519 that must not be trusted.

pub(super) const PUBLIC_LEN: usize = 32;

/// The `y` of every point whose order divides 8, sign bit cleared: the points for which a signature
/// can be made without a private key (RFC 8032 §5.1.7 leaves the check to the application).
const SMALL_ORDER_Y: [[u8; PUBLIC_LEN]; 5] = [
    [0; PUBLIC_LEN],
    {
        let mut one = [0; PUBLIC_LEN];
        one[0] = 1;
        one
    },
    [
        0x26, 0xe8, 0x95, 0x8f, 0xc2, 0xb2, 0x27, 0xb0, 0x45, 0xc3, 0xf4, 0x89, 0xf2, 0xef, 0x98,
        0xf0, 0xd5, 0xdf, 0xac, 0x05, 0xd3, 0xc6, 0x33, 0x39, 0xb1, 0x38, 0x02, 0x88, 0x6d, 0x53,
        0xfc, 0x05,
    ],
    [
        0xc7, 0x17, 0x6a, 0x70, 0x3d, 0x4d, 0xd8, 0x4f, 0xba, 0x3c, 0x0b, 0x76, 0x0d, 0x10, 0x67,
        0x0f, 0x2a, 0x20, 0x53, 0xfa, 0x2c, 0x39, 0xcc, 0xc6, 0x4e, 0xc7, 0xfd, 0x77, 0x92, 0xac,
        0x03, 0x7a,
    ],
    {
        let mut minus_one = [0xff; PUBLIC_LEN];
        minus_one[0] = 0xec;
        minus_one[31] = 0x7f;
        minus_one
    },
];

/// Whether the encoded point may be used: one encoding only (`y` below the field's prime), and not
/// of small order.
pub(super) fn is_strong(public: &[u8; PUBLIC_LEN]) -> bool {
    let mut y = *public;
    let [.., last] = &mut y;
    *last &= 0x7f;
    is_reduced(&y) && !SMALL_ORDER_Y.contains(&y)
}

/// `y < 2^255 - 19`, little-endian.
fn is_reduced(y: &[u8; PUBLIC_LEN]) -> bool {
    let [first, middle @ .., last] = y;
    !(*last == 0x7f && middle.iter().all(|&byte| byte == 0xff) && *first >= 0xed)
}
