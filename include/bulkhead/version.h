/* The version that core, tools and domains print. */
#ifndef BULKHEAD_VERSION_H
#define BULKHEAD_VERSION_H

#define BULKHEAD_VERSION "0.1.0"

#endif
