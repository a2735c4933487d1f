//! The passwords that are tried first.

/// Whether a lower-case password is among the about hundred most common ones.
pub(super) fn contains(folded: &str) -> bool {
    COMMON.contains(&folded)
}

/// A short list: those of eight and more characters that lead the published counts of leaked
/// passwords, and the leading shorter ones for hosts that lower the minimum.
#[rustfmt::skip]
const COMMON: [&str; 106] = [
    "123456", "12345", "1234567", "111111", "123123", "000000", "654321", "666666", "121212",
    "qwerty", "abc123", "monkey", "dragon", "letmein", "master", "shadow", "secret", "admin",
    "welcome", "login", "passw0rd", "pass1234", "password", "password1", "password12",
    "password123", "password1234", "password!", "password1!", "p@ssword", "p@ssw0rd", "p@ssword1",
    "p@ssw0rd1", "passwort", "passwort1", "motdepasse", "contraseña", "12345678", "123456789",
    "1234567890", "0123456789", "987654321", "9876543210", "87654321", "11111111", "111111111",
    "1111111111", "00000000", "000000000", "0000000000", "88888888", "99999999", "66666666",
    "12341234", "123123123", "12344321", "11223344", "1122334455", "123321123", "147258369",
    "789456123", "1q2w3e4r", "1q2w3e4r5t", "1qaz2wsx", "1qaz2wsx3edc", "zaq12wsx", "q1w2e3r4",
    "qwertyui", "qwertyuiop", "qwerty12", "qwerty123", "qwerty1234", "qwer1234", "qwertz123",
    "asdfghjk", "asdfghjkl", "asdf1234", "zxcvbnm1", "zxcvbnm123", "abcd1234", "abc12345",
    "abcdefgh", "a1b2c3d4", "aa123456", "a12345678", "a123456789", "iloveyou", "iloveyou1",
    "ilovegod", "sunshine", "sunshine1", "princess", "princess1", "football", "football1",
    "baseball", "baseball1", "superman", "batman123", "starwars", "trustno1", "michelle",
    "jennifer", "welcome1", "welcome123", "changeme",
];
