// What metal-cpp takes from the kernel's interface.
#pragma once

typedef int kern_return_t;
typedef unsigned int task_id_token_t;
