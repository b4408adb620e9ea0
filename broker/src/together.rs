//! What one request asks for many times is done in one piece, and answered one by one.

/// Parts what was checked into what may be done, and why the rest may not, in the order in which it was asked.
pub(crate) fn part<S, E>(checked: impl IntoIterator<Item = Result<S, E>>) -> (Vec<S>, Vec<Option<E>>) {
    let mut sound = Vec::new();
    let refused = checked.into_iter().map(|one| one.map(|one| sound.push(one)).err()).collect();
    (sound, refused)
}

/// The outcomes in the order in which it was asked; `next` gives those of what was done, one after the other.
pub(crate) fn in_order<T, E>(refused: Vec<Option<E>>, mut next: impl FnMut() -> Result<T, E>) -> Vec<Result<T, E>> {
    refused.into_iter().map(|refused| refused.map_or_else(&mut next, Err)).collect()
}
