/* The devices behind exits, for unit tests: a virtual one that answers everything, or nothing. */
#ifndef MODELS_VDEV_MODEL_H
#define MODELS_VDEV_MODEL_H

#include <stdbool.h>
#include <stdint.h>

struct vdev_model {
    bool answers;
    uint64_t reads_as; /* what a read gives */
    unsigned accesses;
    /* The last access. */
    uint64_t address, written;
    unsigned size;
    bool is_write;
    unsigned resets; /* calls of vdev_reset_vcpu() */
    unsigned stops;  /* calls of vdev_stop_domain() */
    unsigned polls;  /* calls of dma_poll_events() */
};

extern struct vdev_model vdev_model;

#endif
