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
    unsigned resets;   /* calls of vdev_reset_vcpu() */
    unsigned stops;    /* calls of vdev_stop_domain() */
    uint64_t news;     /* not 0: IOMMUs have something to report */
    unsigned polls;    /* calls of dma_report() */
    unsigned straight; /* calls of vdev_write_apic() */
};

extern struct vdev_model vdev_model;

#endif
