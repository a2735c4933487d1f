//! The accounts: a map in memory. A real service keeps them in its database.

use std::collections::HashMap;
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use sec_tokens::PasswordHash;

/// More accounts than a demonstration needs; a map without an end is somebody's way to take all memory.
const MOST_USERS: usize = 10_000;

#[derive(Debug, Clone)]
pub struct User {
    /// Never changes and is never reused, unlike the name: what tokens and comments refer to.
    pub id: String,
    pub name: String,
    pub role: &'static str,
    pub password: PasswordHash,
}

#[derive(Debug, Default)]
pub struct Users(RwLock<Table>);

#[derive(Debug, Default)]
struct Table {
    by_name: HashMap<String, User>,
    made: u64,
}

#[derive(Debug, PartialEq, Eq)]
pub enum AddError {
    Taken,
    Full,
}

impl Users {
    /// Adds an account; names that differ only in case are one name.
    pub fn add(
        &self,
        name: &str,
        role: &'static str,
        password: PasswordHash,
    ) -> Result<User, AddError> {
        let mut table = self.write();
        let key = name.to_ascii_lowercase();
        if table.by_name.contains_key(&key) {
            return Err(AddError::Taken);
        }
        if table.by_name.len() >= MOST_USERS {
            return Err(AddError::Full);
        }
        table.made += 1;
        let user = User {
            id: format!("u{}", table.made),
            name: name.to_owned(),
            role,
            password,
        };
        table.by_name.insert(key, user.clone());
        Ok(user)
    }

    pub fn by_name(&self, name: &str) -> Option<User> {
        self.read().by_name.get(&name.to_ascii_lowercase()).cloned()
    }

    pub fn by_id(&self, id: &str) -> Option<User> {
        self.read()
            .by_name
            .values()
            .find(|user| user.id == id)
            .cloned()
    }

    pub fn remove(&self, name: &str) {
        self.write().by_name.remove(&name.to_ascii_lowercase());
    }

    /// Replaces a hash whose parameters are out of date.
    pub fn set_password(&self, name: &str, password: PasswordHash) {
        if let Some(user) = self.write().by_name.get_mut(&name.to_ascii_lowercase()) {
            user.password = password;
        }
    }

    fn read(&self) -> RwLockReadGuard<'_, Table> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Table> {
        self.0.write().unwrap_or_else(PoisonError::into_inner)
    }
}
