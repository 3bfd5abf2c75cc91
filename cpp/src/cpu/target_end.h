// Ends what a target_*.h began.
#if defined(__clang__) && defined(UPSWEEP_AVX2)
#pragma clang attribute pop
#endif
