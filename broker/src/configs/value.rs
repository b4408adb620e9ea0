//! Types and allowed values of configs, and the words in which Kafka refuses a value.

/// Kafka's `ConfigDef.Type`, as version 3 of DescribeConfigs numbers it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ConfigType {
    Boolean = 1,
    Text = 2,
    Int = 3,
    Short = 4,
    Long = 5,
    Double = 6,
    List = 7,
    Class = 8,
    Password = 9,
}

impl ConfigType {
    pub(super) fn named(name: &str) -> Option<Self> {
        Some(match name {
            "BOOLEAN" => Self::Boolean,
            "STRING" => Self::Text,
            "INT" => Self::Int,
            "SHORT" => Self::Short,
            "LONG" => Self::Long,
            "DOUBLE" => Self::Double,
            "LIST" => Self::List,
            "CLASS" => Self::Class,
            "PASSWORD" => Self::Password,
            _ => return None,
        })
    }
}

/// Which values of its type a config may have.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Allowed {
    Any,
    /// The second bound is missing where there is none.
    Range(f64, Option<f64>),
    OneOf(Vec<&'static str>),
}

impl Allowed {
    /// `-`, `LOWEST..`, `LOWEST..HIGHEST` or `ONE|TWO`.
    pub(super) fn parse(text: &'static str) -> Self {
        if text == "-" {
            return Self::Any;
        }
        match text.split_once("..") {
            Some((low, high)) => Self::Range(low.parse().expect("a table's bound is a number"), high.parse().ok()),
            None => Self::OneOf(text.split('|').collect()),
        }
    }
}

/// # Errors
/// Kafka's reason.
pub(super) fn check(kind: ConfigType, allowed: &Allowed, value: &str) -> Result<(), String> {
    let number = match kind {
        ConfigType::Boolean if value.eq_ignore_ascii_case("true") || value.eq_ignore_ascii_case("false") => None,
        ConfigType::Boolean => return Err("Expected value to be either true or false".to_owned()),
        ConfigType::Int => Some(value.parse::<i32>().map(f64::from).map_err(|_| "Not a number of type INT")?),
        ConfigType::Short => Some(value.parse::<i16>().map(f64::from).map_err(|_| "Not a number of type SHORT")?),
        // Bounds are small numbers: what is lost in the conversion does not matter beside them.
        ConfigType::Long => {
            Some(value.parse::<i64>().map(|long| long as f64).map_err(|_| "Not a number of type LONG")?)
        }
        ConfigType::Double => Some(value.parse::<f64>().map_err(|_| "Not a number of type DOUBLE")?),
        ConfigType::Text | ConfigType::List | ConfigType::Class | ConfigType::Password => None,
    };
    match (allowed, number) {
        (Allowed::Range(low, _), Some(number)) if number < *low => Err(format!("Value must be at least {low}")),
        (Allowed::Range(_, Some(high)), Some(number)) if number > *high => {
            Err(format!("Value must be no more than {high}"))
        }
        (Allowed::OneOf(values), None) => {
            let mut parts: Vec<&str> = match kind {
                ConfigType::List => value.split(',').map(str::trim).filter(|part| !part.is_empty()).collect(),
                _ => vec![value],
            };
            parts.retain(|part| !values.contains(part));
            match parts.is_empty() {
                true => Ok(()),
                false => Err(format!("String must be one of: {}", values.join(", "))),
            }
        }
        _ => Ok(()),
    }
}
