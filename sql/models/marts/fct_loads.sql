{{ config(schema=var('mart_schema'), materialized='table' if target.type == 'spark' else 'view') }}

-- A view: the loader writes its record after the models of that load are built.

with loads as (

    select * from {{ named_in_view(ref('stg_sync_loads')) }}

),

final as (

    select
        load_id,
        started_at,
        finished_at,
        new_count,
        changed_count,
        unchanged_count,
        rejected_count,
        missing_count,
        failed_count,
        request_count,
        retry_count,
        rate_limited_count,
        fetch_seconds,
        load_seconds,
        model_seconds,
        publish_seconds
    from loads

)

select * from final
