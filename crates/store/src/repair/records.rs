//! Restores records that were lost.

use layerhold_json_store::ChangeError;

use super::Repair;
use super::error::RepairError;
use crate::catalog::error::AccessError;
use crate::catalog::locked::Locked;
use crate::catalog::locks::WithKind;
use crate::catalog::lookup::ItemRecord;
use crate::catalog::record_stores::Records;
use crate::check::RebuiltRecord;
use crate::records::kinds::ItemId;

impl Repair<'_> {
    /// Restores the record of an item, as the check rebuilt it. Remains of the old record go to a
    /// side file first.
    ///
    /// Another process may have recorded the item since the check, or removed it.
    pub(super) fn restore_record(&mut self, id: &ItemId) -> Result<(), RepairError> {
        let rebuilt = self.rebuilt.get(id).ok_or(RepairError::Changed)?;
        let mut locks = self.engine.lock_all()?;
        match id {
            ItemId::Layer(layer) => {
                let exists = self.engine.driver().exists(layer);
                if !exists.map_err(RepairError::Driver)? {
                    return Err(RepairError::Changed);
                }
                restore(&mut locks.layers, id, rebuilt)?;
            }
            ItemId::Image(_) => restore(&mut locks.images, id, rebuilt)?,
            ItemId::Container(_) => restore(&mut locks.containers, id, rebuilt)?,
        }
        self.note(&locks, id);
        Ok(())
    }
}

fn restore<R: ItemRecord>(
    records: &mut Locked<R>,
    id: &ItemId,
    rebuilt: &RebuiltRecord,
) -> Result<(), RepairError> {
    let mut own = records.own();
    if own.any(|(_, part)| matches!(part.get(id.as_str()), Ok(Some(_)))) {
        return Ok(());
    }
    drop(own);
    if records.can_remove(id.as_str()) {
        records.remove(id.as_str()).for_kind::<R>()?;
    }
    let mut record = R::parse(&rebuilt.json).map_err(|_| RepairError::Changed)?;
    // A name that another item has by now stays with it.
    let names = record.names().iter();
    let free = names.filter(|name| records.holder_of(name).is_none());
    let free = free.cloned().collect();
    record.set_names(free);
    let inserted: Result<(), ChangeError> = records.insert(record, rebuilt.placement);
    let inserted: Result<(), AccessError> = inserted.for_kind::<R>();
    inserted?;
    Ok(records.save().for_kind::<R>()?)
}
