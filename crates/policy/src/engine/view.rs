//! A request as the index reads it.

use cedar_policy_core::ast::{Entity, Request};
use cedar_policy_core::entities::Entities;

use super::scope::Part;

/// The parts of a request that the index looks up.
pub(super) struct RequestView<'r> {
    pub(super) action: Part<'r>,
    pub(super) principal: Part<'r>,
    pub(super) resource: Part<'r>,
    pub(super) request: &'r Request,
    pub(super) entities: &'r Entities,
}

impl<'r> RequestView<'r> {
    /// Returns `None` for a request with an unknown part, which none of this crate has.
    ///
    /// `action` is the action's entity, if it is not one of `entities`.
    pub(super) fn new(
        request: &'r Request,
        entities: &'r Entities,
        action: Option<&'r Entity>,
    ) -> Option<Self> {
        let mut action_part = Part::new(request.action().uid()?, entities);
        action_part.entity = action_part.entity.or(action);
        Some(Self {
            action: action_part,
            principal: Part::new(request.principal().uid()?, entities),
            resource: Part::new(request.resource().uid()?, entities),
            request,
            entities,
        })
    }
}
