//! An executive resource as a heap's lock.

use core::ffi::c_void;

use crate::abi::own::{
    ERESOURCE, ExDeleteResourceLite, ExInitializeResourceLite, ExReinitializeResourceLite,
};
use crate::abi::status::STATUS_SUCCESS;

/// A resource. Who initialised it deletes it, once no heap uses it any more.
#[derive(Debug)]
pub struct Resource(Box<ERESOURCE>);

impl Resource {
    /// Initialises a resource.
    pub fn initialized() -> Self {
        let mut resource = Self::uninitialized();
        // SAFETY: the box stays where it is until the resource is deleted.
        let status = unsafe { ExInitializeResourceLite(&mut *resource.0) };
        assert_eq!(status, STATUS_SUCCESS);
        resource
    }

    /// Memory of a resource that nobody initialised.
    pub fn uninitialized() -> Self {
        Self(Box::new(ERESOURCE::uninitialized()))
    }

    /// Initialises it again.
    pub fn reinitialize(&mut self) {
        // SAFETY: the resource is initialised, and nobody else has it.
        let status = unsafe { ExReinitializeResourceLite(&mut *self.0) };
        assert_eq!(status, STATUS_SUCCESS);
    }

    /// What to pass as `Lock`.
    pub fn as_lock(&mut self) -> *mut c_void {
        (&raw mut *self.0).cast()
    }

    /// Deletes it while it lives on, as memory that is a resource no more.
    pub fn delete(&mut self) {
        // SAFETY: every heap that used the resource is gone.
        let status = unsafe { ExDeleteResourceLite(&mut *self.0) };
        assert_eq!(status, STATUS_SUCCESS);
    }
}
