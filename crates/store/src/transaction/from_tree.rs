//! Adds layers made of trees that the caller filled.

use super::layer::Planned;
use super::staged::Presence;
use super::{NewLayer, StagedLayer, Transaction, check};
use crate::catalog::error::Conflict;
use crate::records::Layer;
use crate::records::kinds::ItemId;
use crate::spans::{note_id, operation};
use crate::spec::LayerSpec;
use crate::spec::error::StageError;
use crate::staged_tree::FilledTree;

impl Transaction {
    /// Adds a layer made of a filled tree, see [`Store::stage_tree`](crate::Store::stage_tree).
    ///
    /// The tree's facts are recorded. If a layer of the same ID exists and the specification allows
    /// its reuse, it is used as for any other layer, and the tree is erased.
    ///
    /// Go: `Store.ApplyStagedLayer`.
    ///
    /// # Errors
    ///
    /// [`StageError::Conflict`] and [`StageError::Lookup`] for IDs and names that are taken or
    /// missing, and for a tree whose ID maps differ from those of the layer. The tree is erased
    /// then.
    pub fn create_layer_from_tree(
        &mut self,
        spec: LayerSpec,
        tree: FilledTree,
    ) -> Result<StagedLayer, StageError> {
        let span = operation!("create_layer_from_tree", kind = "layer");
        let mut plan = match self.plan_identified(spec, tree.facts().diff_id())? {
            Planned::New(plan) => plan,
            Planned::Present(layer) => return Ok(layer),
        };
        note_id(&span, &plan.id);
        let (state, facts) = tree.into_state();
        check::refuse_reserved(facts.flags())?;
        if plan.maps != state.maps {
            let layer = plan.id.clone();
            return Err(Conflict::OtherMaps { layer }.into());
        }
        // The tree replaces the contents of a template.
        plan.template = None;
        plan.spec.template = None;
        let mut contents = self.stage_contents(&plan)?;
        contents
            .adopt(state.tree, facts.root)
            .map_err(StageError::Driver)?;
        if let Some(unsettled) = &facts.unsettled {
            contents.settle(unsettled).map_err(StageError::Driver)?;
        }
        plan.spec.big_data.extend(facts.big_data.iter().cloned());
        let data = self.area.data_items(&plan.spec.big_data)?;
        let mut record = plan.record();
        facts.note(&mut record);
        let record =
            Layer::new(record).map_err(StageError::invalid(ItemId::Layer(plan.id.clone())))?;
        let tar_split = state.tar_split.as_ref();
        let counting = tar_split.and_then(|file| self.count(&record, &*contents, file));
        let layer = StagedLayer::new(plan.id.clone(), Presence::New, None);
        self.layers.push(NewLayer {
            counting,
            record,
            placement: self.placement_for(&plan.spec),
            contents,
            tar_split: state.tar_split,
            data,
            if_present: plan.spec.if_present,
            parent_maps: plan.parent_maps,
            area_of_tree: state.area,
        });
        self.staged.push(layer.clone());
        Ok(layer)
    }
}
