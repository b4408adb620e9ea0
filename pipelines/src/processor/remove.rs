//! `remove`: takes fields out, or all but some.

use super::{Flow, Processor, Reason};
use crate::document::{Document, Map, Value};
use crate::pipeline::{Context, Options, Refusal, Run};
use crate::slots::{self, Layout, Member, Place, Slot, Step};
use crate::template::{Escape, FieldTemplate, Template};

/// Of a plan's places those from here on are objects.
const GROUPS: Place = 1 << 15;

#[derive(Debug)]
struct Remove {
    fields: Fields,
    ignore_missing: bool,
}

#[derive(Debug)]
enum Fields {
    These(Vec<FieldTemplate>),
    AllBut(Vec<Template>),
}

pub(super) fn parse(options: &mut Options<'_>) -> Result<Box<dyn Processor>, Refusal> {
    let fields = options.text_or_texts("field")?;
    let keep = options.text_or_texts("keep")?;
    let fields = match (fields, keep) {
        (Some(fields), None) => Fields::These(
            fields
                .iter()
                .map(|field| FieldTemplate::parse(field).map_err(|error| options.refuse("field", error)))
                .collect::<Result<_, _>>()?,
        ),
        (None, Some(keep)) => Fields::AllBut(
            keep.iter()
                .map(|field| Template::parse(field).map_err(|error| options.refuse("keep", error)))
                .collect::<Result<_, _>>()?,
        ),
        (None, None) => {
            return Err(Refusal::new(options.line, "required option \"field\" or \"keep\" of remove is missing"));
        }
        (Some(_), Some(_)) => return Err(options.refuse("keep", "cannot be set together with \"field\"")),
    };
    let ignore_missing = options.flag("ignore_missing", false)?;
    Ok(Box::new(Remove { fields, ignore_missing }))
}

impl Processor for Remove {
    fn plan(&self, layout: &mut Layout) -> Option<Vec<Place>> {
        let Fields::These(fields) = &self.fields else { return None };
        let place = |field: &FieldTemplate| {
            let path = field.fixed()?;
            match layout.find(path) {
                Some(Member::Group(group)) => Some(GROUPS + group),
                Some(Member::Leaf(place)) => Some(place),
                None => layout.leaf(path),
            }
        };
        fields.iter().map(place).collect()
    }

    fn run_planned(&self, places: &[Place], fields: &mut slots::Fields<'_, '_>, _: &Context) -> Step {
        for place in places {
            match place.checked_sub(GROUPS) {
                Some(group) if fields.has_group(group) => fields.remove_group(group),
                None if fields.slot(*place) != Slot::Absent => fields.remove(*place),
                _ if self.ignore_missing => {}
                // Those before it were taken out.
                _ if places.len() > 1 => return Step::Tree,
                _ => return Step::Failed,
            }
        }
        Step::Next
    }

    fn run(&self, document: &mut Document, _: &mut Run<'_>) -> Result<Flow, Reason> {
        match &self.fields {
            Fields::These(fields) => {
                for field in fields {
                    let path = match field.path(document) {
                        Ok(path) => path,
                        // A template that gives nothing names nothing.
                        Err(_) if self.ignore_missing => continue,
                        Err(error) => return Err(error.into()),
                    };
                    if self.ignore_missing && !document.has_field(&path) {
                        continue;
                    }
                    document.remove_field(&path)?;
                }
            }
            Fields::AllBut(keep) => {
                let keep: Vec<String> = keep.iter().map(|field| field.render(document, Escape::Json)).collect();
                let kept: Vec<&str> = keep.iter().map(String::as_str).collect();
                retain(document.source_mut(), "", &kept);
            }
        }
        Ok(Flow::Next)
    }
}

/// Keeps the named paths with all that is below them, and the maps on the way to them.
fn retain(map: &mut Map, prefix: &str, keep: &[&str]) {
    map.retain(|key, value| {
        let path = format!("{prefix}{key}");
        if keep.contains(&path.as_str()) {
            return true;
        }
        let below = format!("{path}.");
        if !keep.iter().any(|kept| kept.starts_with(&below)) {
            return false;
        }
        if let Value::Map(map) = value {
            retain(map, &below, keep);
        }
        true
    });
}
