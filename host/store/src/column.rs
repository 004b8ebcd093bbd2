//! How columns hold the values of other crates.

use std::str::FromStr;

use rusqlite::types::{FromSql, FromSqlError, FromSqlResult, ToSql, ToSqlOutput, ValueRef};

/// A value that a column holds by its text form.
pub(super) struct Named<T>(pub(super) T);

impl<T: Copy + Into<&'static str>> ToSql for Named<T> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        let name: &'static str = self.0.into();
        Ok(name.into())
    }
}

impl<T: FromStr> FromSql for Named<T> {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        let name = value.as_str()?;
        name.parse()
            .map(Self)
            .map_err(|_| FromSqlError::InvalidType)
    }
}

/// The value of a column that may be empty.
pub(super) fn named<T: FromStr>(
    row: &rusqlite::Row<'_>,
    column: &str,
) -> rusqlite::Result<Option<T>> {
    let named: Option<Named<T>> = row.get(column)?;
    Ok(named.map(|Named(value)| value))
}
